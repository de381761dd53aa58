"""python -m codegen import | diff | generate | check | regenerate."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from codegen.check import check as check_description
from codegen.check import verify_wording
from codegen.diff import Kind, compare, exit_code
from codegen.document import DocumentRefused, load_document
from codegen.generate import GenerationFailed
from codegen.importer import DESCRIPTION, LOCK, ImportReport, compare_sources, import_document
from codegen.outputs import compare_outputs, write_outputs
from codegen.overlay import OverlayFailed
from codegen.reading import read_document
from codegen.structure import structure

ROOT = Path(__file__).resolve().parent.parent
_CLASSES = {
    Kind.ADDED: "compatible change",
    Kind.CHANGED: "compatible change",
    Kind.BREAKING: "breaking change",
}


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Run one command and return its exit code: 0 same, 1 changed, 2 breaking or refused."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options, root))
    except (DocumentRefused, OverlayFailed, GenerationFailed) as problem:
        print(f"refused, no file was changed: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m codegen", description="Generators of the SDK.")
    commands = parser.add_subparsers(required=True, metavar="command")
    found = commands.add_parser("import", help="bring openapi/tailscale.yaml up to a published document")
    found.add_argument("source", help="file or https URL of an OpenAPI 3.1 document")
    found.add_argument(
        "--verify-wording", action="store_true", help="only compare our texts with its sentences"
    )
    found.set_defaults(run=_import)
    found = commands.add_parser("diff", help="structural difference of two documents")
    found.add_argument("old", help="file or https URL")
    found.add_argument("new", help="file or https URL")
    found.add_argument(
        "--imported", action="store_true", help="compare as if NEW had been imported, overlay applied"
    )
    found.set_defaults(run=_diff)
    found = commands.add_parser("generate", help="rebuild everything made from openapi/tailscale.yaml")
    found.set_defaults(run=_generate)
    found = commands.add_parser(
        "check", help="name what lacks curation and what differs from what is generated"
    )
    found.set_defaults(run=_check)
    found = commands.add_parser(
        "regenerate", help="import, print the difference, rebuild, name what needs a person"
    )
    found.add_argument("source", help="file or https URL of an OpenAPI 3.1 document")
    found.set_defaults(run=_regenerate)
    return parser


def _import(options: argparse.Namespace, root: Path) -> int:
    if options.verify_wording:
        findings = verify_wording(load_document(root / DESCRIPTION), read_document(options.source))
        _print_lines(str(finding) for finding in findings)
        return 1 if findings else 0
    report = import_document(options.source, root)
    _print_report(report)
    return exit_code(report.changes) or (1 if report.needs_person else 0)


def _diff(options: argparse.Namespace, root: Path) -> int:
    if options.imported:
        from codegen.importer import reconcile

        ours = load_document(Path(options.old))
        published, _ = reconcile(read_document(options.new), root, ours)
        changes = compare(structure(ours), published)
    else:
        changes = compare_sources(options.old, options.new)
    _print_lines(str(change) for change in changes)
    return exit_code(changes)


def _generate(options: argparse.Namespace, root: Path) -> int:
    written = write_outputs(root)
    print(f"{written} files generated from {DESCRIPTION}")
    return 0


def _check(options: argparse.Namespace, root: Path) -> int:
    findings = [str(finding) for finding in check_description(root)] + compare_outputs(root)
    _print_lines(findings)
    print(
        f"{len(findings)} findings"
        if findings
        else "the description is complete and everything generated is current"
    )
    return 1 if findings else 0


def _regenerate(options: argparse.Namespace, root: Path) -> int:
    """Import and rebuild, or leave every file as it was."""
    kept = {path: path.read_bytes() for path in (root / DESCRIPTION, root / LOCK) if path.exists()}
    report = import_document(options.source, root)
    try:
        written = write_outputs(root)
    except BaseException:
        for path, content in kept.items():
            path.write_bytes(content)
        raise
    _print_report(report)
    worst = max((change.kind for change in report.changes), default=None)
    print(f"{written} files generated; class: {_CLASSES[worst] if worst is not None else 'same'}")
    return 0


def _print_report(report: ImportReport) -> None:
    _print_lines(str(change) for change in report.changes)
    if not report.changes:
        print("no structural change")
    needs = list(report.needs_person)
    if needs:
        print(f"{len(needs)} things need a person:")
        _print_lines(f"  {line}" for line in needs)


def _print_lines(lines: object) -> None:
    for line in lines:  # type: ignore[attr-defined]  # any iterable of text
        print(line)


if __name__ == "__main__":
    sys.exit(main())
