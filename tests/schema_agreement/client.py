"""Asks the cloud-init that this Python has for its verdicts on documents.

Reads a list of texts from standard input, as JSON, and writes a list of verdicts. Each text takes the way of the
command `cloud-init schema --config-file`; those whose places are in the first argument, a list too, go through the
command itself as well.
"""

import contextlib
import io
import json
import subprocess
import sys

from cloudinit.config import schema

DOCUMENT = "/tmp/document.yaml"

deprecations = []
whole = schema.validate_cloudconfig_schema


def listening(*args, **kwargs):
    """Validates, and keeps the paths of what is deprecated."""
    try:
        return whole(*args, **kwargs)
    except schema.SchemaValidationError as error:
        deprecations.extend(problem.path for problem in error.schema_deprecations or [])
        raise


def is_valid(rules):
    """Whether the document is valid."""
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            schema.validate_cloudconfig_file(DOCUMENT, rules)
        except (schema.SchemaValidationError, RuntimeError):
            return False
    return True


def main():
    schema.validate_cloudconfig_schema = listening
    rules = schema.get_schema()
    by_command = set(json.loads(sys.argv[1]))
    verdicts = []
    for place, text in enumerate(json.load(sys.stdin)):
        with open(DOCUMENT, "w", encoding="utf-8") as file:
            file.write(text)
        deprecations.clear()
        verdict = {"valid": is_valid(rules), "deprecated": sorted(set(deprecations))}
        if place in by_command:
            command = ["cloud-init", "schema", "--config-file", DOCUMENT]
            verdict["command"] = subprocess.run(command, capture_output=True, check=False).returncode == 0
        verdicts.append(verdict)
    json.dump(verdicts, sys.stdout)


main()
