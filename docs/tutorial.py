# %% [markdown]
# # From two folders of pictures to a verdict, in Python
#
# This tutorial collects photographs and generated faces, trains a detector on them, validates it,
# reads the report and judges one picture. Each step is one function with one settings object, the
# same that the command of the step has: what `python -m training --help` says of `--trials` holds
# for `TrainingSettings(trials=...)`.
#
# It is a script and a notebook in one. Install Telltale with `pip install -e '.[train]'` in its
# folder, set the paths below, and run `python docs/tutorial.py`, or open this file in an editor
# that knows `# %%` cells (VS Code, Spyder, PyCharm; in Jupyter with the extension jupytext).
#
# Data set, detector and logs go to the folders `data`, `saved_models` and `logs` of the folder it
# runs in. It may run again: the collection takes new pictures only, features are cached, and every
# run saves a detector of its own.
#
# With 30 pictures of each class it takes about three minutes of processor time, with more it takes
# longer.

# %% [markdown]
# ## Your pictures
#
# The repository holds no pictures of people, so bring your own: one folder of photographs, one of
# generated faces (JPEG, PNG, WebP and others, folders inside are read too) and one picture to
# judge, which lies in neither. Every picture shows one face, at least 224 pixels wide with some
# margin. 20 pictures of each class are the least it takes; 200 or more are worth a training, and
# photographs of the same kind as the fakes: otherwise the detector learns to tell two places, two
# styles or two cameras apart. The collection's audit looks for that.

# %%
import json

import telltale

PHOTOGRAPHS = "pictures/photographs"
GENERATED_FACES = "pictures/generated"
PICTURE_TO_JUDGE = "pictures/unknown.jpg"

DATASET = "tutorial"
TRIALS = 30
WEIGHTS = "auto"  # pretrained, downloaded once; "random" tries the steps without a network
DISTORTED_PICTURES = 240  # at most so many test pictures are distorted, each in 50 ways
EXPLAINED_PICTURES = 64  # at most so many heat maps are drawn and checked

# %% [markdown]
# ## Collect
#
# `crop="face"` keeps the region around the face, with the same margin for both classes, and rejects
# pictures without exactly one face. The pictures are divided into three parts, for training, for
# choosing and for the test; copies and near-duplicates stay together. The audit then tests whether
# anything but the face gives the label away. RED means yes, and training would refuse the data:
# read `audit.html` beside `audit.json`, which says what to collect otherwise.

# %%
dataset_folder = telltale.collect_dataset(
    telltale.CollectionSettings(
        real=(f"folder:{PHOTOGRAPHS}",),
        generated=(f"folder:{GENERATED_FACES}",),
        dataset=DATASET,
        crop="face",
    )
)
audit = json.loads((dataset_folder / "audit.json").read_text())
for audited in audit["sizes"]:
    print(f"Audit at {audited['size']} pixels: {audited['status']}.")

# %% [markdown]
# ## Train
#
# The base, MobileNetV2, is pretrained and stays as it is; KerasTuner searches for small networks on
# its features, and the best ones become one detector. The table at the end shows it beside its
# baselines: a detector that does not beat logistic regression has too little to learn from.

# %%
detector_folder = telltale.train_detector(
    telltale.TrainingSettings(
        dataset=dataset_folder, bases=("mobilenet_v2",), trials=TRIALS, weights=WEIGHTS
    )
)
print(f"The detector is saved in {detector_folder}.")

# %% [markdown]
# `finetune_detector(FinetuningSettings(model=detector_folder))` would now search whether training
# the upper blocks of the base, too, makes it better; it takes longer than all the rest.

# %% [markdown]
# ## Validate and read the report
#
# Validation scores the test pictures, which no step before has used. The page has all results,
# `metrics.json` beside it the same numbers. Look at the interval before the value: few pictures
# make it wide.

# %%
page = telltale.validate_detector(
    telltale.ValidationSettings(
        model=detector_folder, distorted=DISTORTED_PICTURES, explained=EXPLAINED_PICTURES
    )
)
metrics = json.loads((page.parent / "metrics.json").read_text())
own_metrics = metrics["detectors"][metrics["model"]]["metrics"]
for name in ("ROC AUC", "generated images called generated", "photographs called generated"):
    value, low, high, reason = (
        own_metrics[name][key] for key in ("value", "low", "high", "reason")
    )
    if value is None:
        print(f"{name}: not known, {reason}")
    elif low is None:
        print(f"{name}: {value:.3f} (no interval: {reason})")
    else:
        print(f"{name}: {value:.3f} (95% interval {low:.3f} to {high:.3f})")
print("What not to use it for:", *metrics["limits"], sep="\n- ")
print(f"Open the report: {page.resolve()}")

# %% [markdown]
# ## Judge a picture
#
# The verdict is `generated`, `real` or `can't tell`; a picture without exactly one face gets none,
# and `error` says why. The statement tells what such verdicts are worth.

# %%
detector = telltale.Detector.load(detector_folder)
answer = detector.predict(PICTURE_TO_JUDGE)
if answer.error:
    print(f"{PICTURE_TO_JUDGE} is not judged: {answer.error}")
else:
    print(f"{PICTURE_TO_JUDGE}: {answer.verdict}, probability {answer.probability:.3f}")
    print(*detector.statement.list_sentences(), sep="\n")
