"use strict";
// "This is wrong": send a judged picture again, with its true label, to /api/feedback, which keeps it.

let wronglyJudged = null;

document.addEventListener("answer", ({ detail: answer }) => {
  const offered = detector.keeps_feedback && !answer.generated_with;
  wronglyJudged = offered ? { file: judgedFile, anyPicture: answer.faces.length === 0 } : null;
  setVisible("feedback-part", offered);
  element("feedback-part").open = false;
  element("feedback-status").textContent = "";
});

async function keepFeedback(truth) {
  const { file, anyPicture } = wronglyJudged;
  const form = new FormData();
  form.set("file", file);
  form.set("truth", truth);
  form.set("kind", element("feedback-kind").value);
  const status = element("feedback-status");
  status.textContent = "Keeping it…";
  try {
    const address = `api/feedback${anyPicture ? "?any_picture=1" : ""}`;
    const kept = await fetchAnswer(address, { method: "POST", body: form });
    status.textContent = kept.kept
      ? `Kept as ${kept.truth}. Every report of python -m validation scores it from now on.`
      : `It was kept before as ${kept.truth}; nothing changed.`;
  } catch (error) {
    status.textContent = error.message;
  }
}

for (const truth of ["real", "generated"]) {
  element(`feedback-${truth}`).addEventListener("click", () => keepFeedback(truth));
}
