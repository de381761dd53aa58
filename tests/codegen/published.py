"""A small published description with each awkward shape, every text of it a sentinel."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

SENTINEL = "zyzzyva words that must stay behind"
SERVER = "https://api.example.com/api/v2"
JSON_TYPE = "application/json"


def words() -> dict[str, Any]:
    return {"description": SENTINEL, "summary": SENTINEL}


def body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": SENTINEL, "content": {JSON_TYPE: {"schema": schema, "example": SENTINEL}}}


def answer(schema: dict[str, Any] | None = None) -> dict[str, Any]:
    done: dict[str, Any] = {"description": SENTINEL} if schema is None else body(schema)
    return {"200": done, "404": {"$ref": "#/components/responses/404"}}


def published() -> dict[str, Any]:
    """Return a fresh copy."""
    return copy.deepcopy(_PUBLISHED)


def save(path: Path, document: dict[str, Any]) -> str:
    path.write_text(json.dumps(document))
    return str(path)


def text(**more: Any) -> dict[str, Any]:
    return {"type": "string", "description": SENTINEL, "title": SENTINEL, "example": SENTINEL, **more}


def schema(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


_PUBLISHED: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": SENTINEL, "version": "v2", "description": SENTINEL},
    "servers": [{"url": SERVER, "description": SENTINEL}],
    "security": [{"bearerAuth": []}],
    "tags": [{"name": "Machines", "description": SENTINEL, "x-displayName": SENTINEL}],
    "paths": {
        "/net/{net}/machines": {
            "parameters": [
                {"$ref": "#/components/parameters/net"},
                {"name": "<field>=<value> filters", "in": "query", "schema": text()},
            ],
            "get": {
                "operationId": "listMachines",
                "tags": ["Machines"],
                **words(),
                "x-codeSamples": [{"source": SENTINEL}],
                "parameters": [{"name": "Accept", "in": "header", "schema": {"type": "string"}}],
                "responses": answer(
                    {
                        "type": "object",
                        "properties": {"machines": {"type": "array", "items": schema("Machine")}},
                    }
                ),
            },
        },
        "/machine/{machineId}": {
            "parameters": [{"name": "machineId", "in": "path", "required": True, "schema": text()}],
            "get": {
                "operationId": "getMachine",
                "tags": ["Machines"],
                **words(),
                "responses": answer(schema("Machine")),
            },
            "patch": {
                "operationId": "updateMachine",
                "tags": ["Machines"],
                **words(),
                "requestBody": body(schema("Machine")),
                "responses": answer(schema("Machine")),
            },
            "delete": {
                "operationId": "deleteMachine",
                "tags": ["Machines"],
                **words(),
                "responses": answer(),
            },
        },
        "/machine/{machineId}/tags": {
            "parameters": [{"name": "machineId", "in": "path", "required": True, "schema": text()}],
            "post": {
                "operationId": "setTags",
                "tags": ["Machines"],
                **words(),
                "requestBody": body(
                    {"type": "object", "properties": {"tags": {"type": "array", "items": text()}}}
                ),
                "responses": answer(),
            },
        },
        "/net/{net}/policy": {
            "parameters": [{"$ref": "#/components/parameters/net"}],
            "post": {
                "operationId": "setPolicy",
                "tags": ["Machines"],
                **words(),
                "requestBody": {
                    "content": {
                        JSON_TYPE: {"schema": {"type": "object"}},
                        "application/hujson": {"schema": text()},
                    }
                },
                "responses": answer(),
            },
        },
    },
    "components": {
        "securitySchemes": {"bearerAuth": {"type": "http", "scheme": "bearer", "description": SENTINEL}},
        "parameters": {
            "net": {"name": "net", "in": "path", "required": True, "schema": text(), "description": SENTINEL}
        },
        "responses": {"404": body(schema("Error"))},
        "schemas": {
            "Error": {"type": "object", "required": ["message"], "properties": {"message": text()}},
            "nickname": text(maxLength=20),
            "mood": {"type": "string", "enum": ["calm", "busy"], "x-enumDescriptions": {"calm": SENTINEL}},
            "Base": {"type": "object", "properties": {"owner": text()}},
            "Machine": {
                "type": "object",
                "description": SENTINEL,
                "required": ["id", "seen"],
                "properties": {
                    "id": text(readOnly=True),
                    "seen": text(format="date-time"),
                    "nickname": schema("nickname"),
                    "mood": schema("mood"),
                    "secretToken": text(writeOnly=True),
                    "place": {
                        "type": "object",
                        "description": SENTINEL,
                        "properties": {
                            "city": text(),
                            "rooms": {
                                "type": "array",
                                "items": {"type": "object", "properties": {"no": {"type": "integer"}}},
                            },
                        },
                    },
                    "latency": {
                        "type": "object",
                        "additionalProperties": {"type": "object", "properties": {"ms": {"type": "number"}}},
                    },
                    "parent": schema("Machine"),
                    "extra": {"allOf": [schema("Base"), {"type": "object", "properties": {"more": text()}}]},
                    "description": text(),
                },
            },
        },
    },
}
