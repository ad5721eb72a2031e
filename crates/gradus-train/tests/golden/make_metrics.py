"""Makes metrics.json: cases of logits and labels with scikit-learn's numbers for them.

    python make_metrics.py > metrics.json        # scikit-learn 1.8; any recent one will do

The logits are multiples of 1/4, so that rows hold ties and f32 holds them exactly.
"""

import json
import warnings

import numpy as np
from sklearn import metrics

warnings.filterwarnings("ignore")


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def case(name, seed, n, classes, lift, missing_label=None, missing_prediction=None):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    if missing_label is not None:
        labels[labels == missing_label] = (missing_label + 1) % classes
    else:
        labels[:classes] = np.arange(classes)
    logits = np.round(4 * rng.normal(size=(n, classes))) / 4
    logits[np.arange(n), labels] += lift
    if missing_prediction is not None:
        logits[:, missing_prediction] = -50
    p = softmax(logits)
    predicted = logits.argmax(axis=1)
    want = {
        "accuracy": metrics.accuracy_score(labels, predicted),
        # lowest index first among equals, as ours
        "top5": float(np.mean([y in np.argsort(-row, kind="stable")[:5] for row, y in zip(logits, labels)])),
        "examples": n,
        "confusion": metrics.confusion_matrix(labels, predicted, labels=range(classes)).tolist(),
    }
    for average in ["macro", "micro", "weighted"]:
        values = metrics.precision_recall_fscore_support(labels, predicted, average=average, zero_division=0)
        for key, value in zip(["precision", "recall", "f1"], values):
            want[f"{key}_{average}"] = float(value)
    rows = metrics.precision_recall_fscore_support(labels, predicted, labels=range(classes), average=None, zero_division=0)
    want["per_class"] = [
        {"class": f"c{c}", "precision": float(rows[0][c]), "recall": float(rows[1][c]), "f1": float(rows[2][c]), "support": int(rows[3][c])}
        for c in range(classes)
    ]
    for c in range(classes):
        one = labels == c
        want["per_class"][c]["roc_auc"] = metrics.roc_auc_score(one, p[:, c]) if 0 < one.sum() < n else None
    if missing_label is not None:
        want["roc_auc"] = None
    elif classes == 2:
        want["roc_auc"] = metrics.roc_auc_score(labels, p[:, 1])
    else:
        want["roc_auc"] = metrics.roc_auc_score(labels, p, multi_class="ovr", average="macro", labels=range(classes))
    loss = metrics.log_loss(labels, p, labels=range(classes))
    want["loss"] = loss
    return {"name": name, "classes": classes, "loss": loss, "logits": logits.ravel().tolist(), "labels": labels.tolist(), "want": want}


print(json.dumps([
    case("seven classes", 1, 80, 7, 1.0),
    case("binary", 2, 50, 2, 0.75),
    case("binary, all wrong", 3, 20, 2, -9.0),
    case("a class without examples", 4, 40, 6, 1.0, missing_label=2),
    case("a class never predicted", 5, 40, 6, 1.0, missing_prediction=3),
    case("a class neither true nor predicted", 6, 40, 4, 1.0, missing_label=1, missing_prediction=1),
]))
