# SPDX-License-Identifier: Apache-2.0
"""Validates a bill of materials and prints what is in it.

consume_sbom.py spdx|cyclonedx FILE

SPDX: the published JSON schema, and the reference validator of spdx-tools,
which knows what a schema cannot say. CycloneDX: the published JSON
schema in its strict form, and the model of cyclonedx-python-lib. Prints name,
version and package URL, one line each.
"""
import json
import pathlib
import sys


def spdx(path):
    from spdx_tools.spdx.model import Package
    from spdx_tools.spdx.parser.parse_anything import parse_file
    from spdx_tools.spdx.validation.document_validator import (
        validate_full_spdx_document,
    )

    import jsonschema

    beside = pathlib.Path(__file__).parent
    schema = json.loads((beside / "schema/spdx-2.3.json").read_text())
    document = json.loads(pathlib.Path(path).read_text())
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    found = kind(schema).iter_errors(document)
    errors = [f"{error.json_path}: {error.message}" for error in found]
    if errors:
        sys.exit("not valid: " + "; ".join(errors[:20]))
    document = parse_file(path)
    messages = validate_full_spdx_document(document)
    for message in messages[:20]:
        print(message, file=sys.stderr)
    if messages:
        sys.exit(1)
    for package in document.packages:
        assert isinstance(package, Package)
        urls = [
            reference.locator
            for reference in package.external_references
            if reference.reference_type == "purl"
        ]
        yield package.name, package.version, (urls or [""])[0]


def cyclonedx(path):
    from cyclonedx.model.bom import Bom
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    with open(path, encoding="utf-8") as file:
        text = file.read()
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if error:
        sys.exit(f"not valid: {error}")
    # The model keeps what it understands; the words are those of the text.
    model = Bom.from_json(json.loads(text))
    names = {component.name for component in model.components}
    for component in json.loads(text)["components"]:
        assert component["name"] in names, component["name"]
        yield (
            component["name"],
            component.get("version"),
            component.get("purl"),
        )


for fields in {"spdx": spdx, "cyclonedx": cyclonedx}[sys.argv[1]](sys.argv[2]):
    print("\t".join(field or "" for field in fields))
