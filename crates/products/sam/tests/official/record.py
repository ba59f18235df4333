"""Records what the official translator makes of each template here.

Usage: record.py [NAME...]. Needs the package aws-sam-translator (1.110.0). Each `NAME.yaml` gets a `NAME.json`: the
transformed template, or `{"error": message}`. `tests/official.rs` compares Kobel's transform with these files.
"""

import json
import os
import pathlib
import sys

os.environ["AWS_DEFAULT_REGION"] = "us-east-1"

from samtranslator.model.exceptions import InvalidDocumentException  # noqa: E402
from samtranslator.parser.parser import Parser  # noqa: E402
from samtranslator.translator.translator import Translator  # noqa: E402
from samtranslator.yaml_helper import yaml_parse  # noqa: E402

HERE = pathlib.Path(__file__).parent


def translate(template):
    try:
        return Translator({}, Parser()).translate(template, {})
    except InvalidDocumentException as error:
        causes = " ".join(cause.message for cause in error.causes)
        return {"error": f"{error.message} {causes}"}


def main(names):
    for path in sorted(HERE.glob("*.yaml")):
        if not names or path.stem in names:
            output = translate(yaml_parse(path.read_text()))
            path.with_suffix(".json").write_text(json.dumps(output, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
