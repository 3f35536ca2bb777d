# The page that judges images, and `telltale detect`: no TensorFlow, no network needed.
#   docker build -t telltale .
#   docker run --rm -p 127.0.0.1:8420:8420 telltale
#   docker run --rm -v "$PWD:/work:ro" telltale telltale detect photo.jpg
FROM python:3.12-slim
COPY . /opt/telltale
RUN pip install --no-cache-dir /opt/telltale && useradd --create-home --uid 1000 telltale
USER 1000
WORKDIR /work
EXPOSE 8420
# Inside a container the page must listen on every address; -p says who reaches it.
CMD ["telltale", "web", "--host", "0.0.0.0"]
