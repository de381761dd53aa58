"""The operation map joined with the API description: what fits, and how each misfit is named."""

from __future__ import annotations

import copy
import inspect
from pathlib import Path
from typing import Any

import pytest

from codegen.catalog import compile_catalog
from codegen.document import load_document, operations
from mcp_adapter.catalog import read_catalog
from tailscale_sdk import OPERATIONS, AsyncTailscale, Tailscale

ROOT = Path(__file__).resolve().parents[2]
MAPS = ROOT / "mcp_adapter" / "operations"
DOCUMENT = load_document(ROOT / "openapi" / "tailscale.yaml")
ENTRIES = list(read_catalog().entries.values())
NOT_DELETE_VERB = {
    "expireDeviceKey", "suspendUser", "deleteUser", "setPolicyFile", "setDnsNameservers", "setDnsSearchPaths", "setSplitDns",
    "setDnsConfiguration", "setLogStreamingConfiguration", "rotateWebhookSecret",
}  # fmt: skip
MADE_REQUIRED = {"createKey": {"key_type"}, "setKey": {"key_type"}, "setPolicyFile": {"if_match"}}


def test_every_operation_is_mapped_without_a_problem() -> None:
    catalog, problems = compile_catalog(DOCUMENT, MAPS)
    assert problems == []
    assert catalog == (ROOT / "mcp_adapter" / "_catalog.json").read_bytes(), "run make generate"
    assert {entry["operation"] for entry in ENTRIES} == set(OPERATIONS)


def test_compiling_twice_gives_the_same_bytes() -> None:
    assert compile_catalog(copy.deepcopy(DOCUMENT), MAPS) == compile_catalog(DOCUMENT, MAPS)


@pytest.mark.parametrize("kind", [Tailscale, AsyncTailscale])
def test_each_call_is_the_sdks_method(kind: type[Tailscale] | type[AsyncTailscale]) -> None:
    client = kind(api_key="tskey-api-demo")
    for entry in ENTRIES:
        operation = OPERATIONS[entry["operation"]]
        assert entry["call"] == f"{operation.resource}.{operation.method}"
        method = getattr(getattr(client, operation.resource), operation.method)
        accepted = {name: p for name, p in inspect.signature(method).parameters.items() if name != "tailnet"}
        offered = {parameter["name"]: parameter["required"] for parameter in entry["params"]}
        left_out = set(accepted) - set(offered)
        assert set(offered) <= set(accepted), entry["call"]
        assert left_out <= {"fields", "annotations", "overwrite"}, entry["call"]
        needed = {name for name, p in accepted.items() if p.default is inspect.Parameter.empty}
        assert {name for name, required in offered.items() if required} == needed | MADE_REQUIRED.get(
            entry["operation"], set()
        ), entry["call"]


def test_facts_come_from_the_description() -> None:
    for entry in ENTRIES:
        operation = OPERATIONS[entry["operation"]]
        assert (entry["http_method"], entry["path"]) == (operation.http_method, operation.path)
        assert (entry["effect"], entry["retry_class"]) == (operation.effect, operation.retry_class)
        assert tuple(entry["scopes"]) == operation.scopes
        assert entry["scopes_mode"] == operation.scopes_mode


def test_effects_fit_the_verbs() -> None:
    for entry in ENTRIES:
        if entry["effect"] == "read":
            assert entry["http_method"] in {"GET", "POST"}
        if entry["http_method"] == "DELETE":
            assert entry["effect"] == "delete"
    deleting = {e["operation"] for e in ENTRIES if e["effect"] == "delete" and e["http_method"] != "DELETE"}
    assert deleting == NOT_DELETE_VERB


def test_secret_answers_and_arguments_are_marked() -> None:
    marked = {entry["operation"]: entry["secret_out"] for entry in ENTRIES if "secret_out" in entry}
    assert marked["createKey"] == ["key"]
    assert marked["rotateWebhookSecret"] == ["secret"]
    assert marked["createOAuthApp"] == ["clientSecret"]
    assert marked["getLogStreamingConfiguration"] == ["token", "s3SecretAccessKey", "gcsCredentials"]
    once = {entry["operation"] for entry in ENTRIES if entry.get("once")}
    assert once == {"createKey", "createWebhook", "createOAuthApp", "rotateWebhookSecret"}
    secret = {(e["call"], p["name"]) for e in ENTRIES for p in e["params"] if p.get("secret")}
    assert secret == {
        ("device_invites.accept", "invite"),
        ("logging.set_stream", "token"),
        ("logging.set_stream", "s3_secret_access_key"),
        ("logging.set_stream", "gcs_credentials"),
        ("posture_integrations.create", "client_secret"),
        ("posture_integrations.update", "client_secret"),
    }


def test_every_secret_of_an_answer_is_marked() -> None:
    for endpoint in operations(DOCUMENT):
        entry = read_catalog().entries[endpoint.node["operationId"]]
        secrets = {
            name
            for name in entry["fields"]
            if name in {"key", "secret", "clientSecret", "inviteUrl", "token"}
        }
        assert secrets <= set(entry.get("secret_out", ())), entry["call"]


GOOD = """
domain = "contacts"
title = "Contacts"
about = "Who Tailscale writes to."
about_write = "Change a contact."

[op.get]
summary = "all contacts"

[op.update]
summary = "change the address"
example = { contact_type = "support", email = "help@example.com" }

[op.resend_verification]
summary = "mail again"
"""


def problems_of(folder: Path, text: str, *, excluded: str = "", also: str = "") -> list[str]:
    """Compile a map of the contacts alone; what only the other domains lack is left out."""
    (folder / "contacts.toml").write_text(text, encoding="utf-8")
    (folder / "excluded.toml").write_text(excluded, encoding="utf-8")
    if also:
        (folder / "more.toml").write_text(also, encoding="utf-8")
    _, problems = compile_catalog(DOCUMENT, folder)
    return [problem for problem in problems if "neither mapped" not in problem or "(contacts." in problem]


def test_a_good_map_has_no_problems(tmp_path: Path) -> None:
    assert problems_of(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    "old,new,problem",
    [
        (
            '[op.get]\nsummary = "all contacts"\n',
            "",
            "getContacts (contacts.get) is neither mapped nor excluded",
        ),
        ("[op.get]", "[op.fetch]", "contacts.toml: contacts.fetch is no operation of the API description"),
        ('"all contacts"', f'"{"x" * 61}"', "contacts.get: the summary has 61 characters, 60 are allowed"),
        ('"all contacts"', '"see https://example.com"', "contacts.get: the summary is plain words"),
        ('"all contacts"', '""', "contacts.get: needs a summary"),
        ('"all contacts"', '"all contacts"\ncolumns = ["account.mail"]', "columns names account.mail"),
        ('"all contacts"', '"all contacts"\nuntrusted = ["owner"]', "untrusted names owner"),
        ('"all contacts"', '"all contacts"\nsecret_out = ["token"]', "secret_out names token"),
        ('"all contacts"', '"all contacts"\ncolour = "red"', "contacts.get: unknown key colour"),
        (
            '"all contacts"',
            '"all contacts"\npaginate = { items = "contacts" }',
            "paginate.items is 'contacts'",
        ),
        (
            '"mail again"',
            '"mail again"\n[op.resend_verification.hide]\nfoo = "why"',
            "parameter foo does not exist",
        ),
        (
            '"mail again"',
            '"mail again"\n[op.resend_verification.hide]\ncontact_type = ""',
            "contact_type needs a reason",
        ),
        ('email = "help@example.com" }', 'mail = "x" }', "the example has the unknown argument mail"),
        ('email = "help@example.com" }', "}", "TOML"),
        (', email = "help@example.com" }', " }", "the example lacks email"),
        ('about_write = "Change a contact."\n', "", "contacts.toml: about_write is missing"),
        ('title = "Contacts"\n', 'flavour = "mild"\n', "contacts.toml: unknown key flavour"),
        ("domain =", "domain", "contacts.toml: not TOML"),
    ],
)
def test_each_misfit_is_named(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert old in GOOD
    found = problems_of(tmp_path, GOOD.replace(old, new))
    assert any(problem in line for line in found), found


def test_a_second_mapping_is_named(tmp_path: Path) -> None:
    found = problems_of(tmp_path, GOOD, also=GOOD)
    assert "more.toml: contacts.get is already mapped in contacts.toml" in found


def test_exclusions_need_a_reason_and_an_operation(tmp_path: Path) -> None:
    without_get = GOOD.replace('[op.get]\nsummary = "all contacts"\n', "")
    assert problems_of(tmp_path, without_get, excluded='[excluded]\ngetContacts = "nobody needs it"\n') == []
    assert problems_of(tmp_path, without_get, excluded='[excluded]\ngetContacts = ""\n') == [
        "excluded.toml: getContacts needs a reason"
    ]
    found = problems_of(tmp_path, GOOD, excluded='[excluded]\ngetContacts = "why"\ngetNothing = "why"\n')
    assert found == [
        "excluded.toml: getContacts is mapped as well",
        "excluded.toml: getNothing is no operation of the API description",
    ]


def changed(edit: Any) -> list[str]:
    document = copy.deepcopy(DOCUMENT)
    edit(document)
    return compile_catalog(document, MAPS)[1]


def test_a_new_operation_is_named_and_left_out() -> None:
    def add(document: dict[str, Any]) -> None:
        node = copy.deepcopy(document["paths"]["/tailnet/{tailnet}/contacts"]["get"])
        node["operationId"], node["x-sdk"]["method"] = "getNewThing", "get_new_thing"
        document["paths"]["/tailnet/{tailnet}/new-thing"] = {"get": node}

    assert changed(add) == ["getNewThing (contacts.get_new_thing) is neither mapped nor excluded"]


def test_two_types_of_one_parameter_are_named() -> None:
    def retype(document: dict[str, Any]) -> None:
        document["components"]["schemas"]["UpdateOAuthAppRequest"]["properties"]["name"]["type"] = "integer"

    found = changed(retype)
    assert found == [
        "oauth_apps.toml: oauth_apps_write: parameter name has two types: a string and an integer"
    ]


def test_a_reserved_parameter_name_is_named() -> None:
    def rename(document: dict[str, Any]) -> None:
        body = document["components"]["schemas"]["UpdateContactRequest"]
        body["properties"] = {"limit": body["properties"]["email"], **body["properties"]}

    assert (
        "contacts.toml: contacts.update: parameter limit has a name the server keeps for itself"
        in changed(rename)
    )
