"""The AsyncAPI 3.0 document: every topic, who writes it, what stands on it."""

from collections.abc import Mapping
from typing import Final

from libs.contracts.topics import (
    CONSUMED,
    DEAD_LETTERS_HANDLED,
    OPERATED,
    TOPICS,
    Topic,
    dead_letter_topic,
)
from tools.docs.events import EVENTS, VERSION, Sample, Told
from tools.docs.openapi import VERSION as API_VERSION
from tools.docs.shapes import Json, Shapes

_BINDING: Final = "0.5.0"
_DAY_MS: Final = 86_400_000

_ABOUT: Final = """\
Shops write orders and refunds; everything else is written by the services, through an outbox, at least
once and in order for each key. An event's id makes it once in effect. Unknown fields are to be ignored:
fields are only ever added.

Events are CloudEvents 1.0 in Kafka's binary mode. Orders and refunds are also taken in structured mode
(`application/cloudevents+json`) and as bare JSON without headers. A record may have 1 MiB. Those without
a customer are guests' and passed over.

What a consumer can never process goes to `<topic>.dlq`, its bytes untouched, with the reason in headers.
"""

_TEXT: Final = {"type": "string"}
_CLOUD_EVENT: Final[Json] = {
    "type": "object",
    "properties": {
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_id": {"type": "string", "description": "The event's id: the same event, the same id."},
        "ce_type": {"type": "string", "description": "The topic's name."},
        "ce_source": _TEXT,
        "ce_time": {"type": "string", "format": "date-time"},
        "ce_dataschema": {
            "type": "string",
            "description": "Ends in the major version; absent: v1.",
        },
        "content-type": {"type": "string", "const": "application/json"},
        "traceparent": {"type": "string", "description": "W3C trace context."},
    },
}
_DEAD: Final[Json] = {
    "type": "object",
    "properties": {
        "dlq-code": {
            "type": "string",
            "enum": ["malformed", "invalid", "conflict", "unsupported_version"],
        },
        "dlq-detail": {"type": "string", "description": "What is wrong, in a sentence."},
        "dlq-service": {"type": "string", "description": "Who could not process it."},
        "dlq-topic": _TEXT,
        "dlq-partition": _TEXT,
        "dlq-offset": _TEXT,
        "dlq-time": {"type": "string", "format": "date-time"},
    },
    "required": [
        f"dlq-{name}"
        for name in ("code", "detail", "service", "topic", "partition", "offset", "time")
    ],
}


def document(samples: Mapping[str, Sample]) -> Json:
    """The whole document; `samples` are by topic."""
    shapes = Shapes("#/components/schemas/")
    messages = {told.topic: _message(told, shapes, samples[told.topic]) for told in EVENTS}
    return {
        "asyncapi": "3.0.0",
        "id": "urn:whale:loyalty",
        "info": {
            "title": "Whale Loyalty events",
            "version": API_VERSION,
            "description": _ABOUT,
            "license": {"name": "Apache 2.0"},
            "contact": {"name": "Whale Loyalty"},
            "tags": [{"name": "loyalty"}],
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "127.0.0.1:19092",
                "protocol": "kafka",
                "description": "The broker of the local stack.",
            }
        },
        "channels": {
            **{topic.name: _channel(topic) for topic in TOPICS if topic not in OPERATED},
            **{topic.dead_letters: _dead_letters(topic) for topic in CONSUMED},
            DEAD_LETTERS_HANDLED: _handled(OPERATED[0]),
        },
        "operations": {
            **{f"{told.topic}.{told.sender}": _operation(told) for told in EVENTS},
            **{f"{topic.name}.dead": _bury(topic) for topic in CONSUMED},
        },
        "components": {
            "schemas": dict(sorted(shapes.found.items())),
            "messages": {**messages, "dead-letter": _dead_letter(), "handled": _handled_message()},
            "messageTraits": {"cloud-event": {"headers": _CLOUD_EVENT}},
        },
    }


def _message(told: Told, shapes: Shapes, sample: Sample) -> Json:
    return {
        "name": told.topic,
        "title": told.topic,
        "summary": told.summary,
        "contentType": "application/json",
        "traits": [{"$ref": "#/components/messageTraits/cloud-event"}],
        "payload": shapes.of(told.kind),
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": told.key},
                "bindingVersion": _BINDING,
            }
        },
        "examples": [{"name": VERSION, "headers": sample.headers, "payload": sample.value}],
    }


def _channel(topic: Topic) -> Json:
    told = next(one for one in EVENTS if one.topic == topic.name)
    return {
        "address": topic.name,
        "description": told.summary,
        "messages": {VERSION: {"$ref": f"#/components/messages/{topic.name}"}},
        "bindings": _binding(topic),
    }


def _binding(topic: Topic) -> Json:
    config: Json = {}
    if "cleanup.policy" in topic.config:
        config["cleanup.policy"] = topic.config["cleanup.policy"].split(",")
    if "max.message.bytes" in topic.config:
        config["max.message.bytes"] = int(topic.config["max.message.bytes"])
    binding = {
        "topic": topic.name,
        "partitions": topic.partitions,
        "topicConfiguration": config,
        "bindingVersion": _BINDING,
    }
    return {"kafka": binding}


def _operation(told: Told) -> Json:
    """From the services' side: they receive what shops write, and send the rest."""
    return {
        "action": "send" if told.is_ours else "receive",
        "channel": {"$ref": f"#/channels/{told.topic}"},
        "summary": told.summary,
        "description": f"Written by {told.sender}.",
        "messages": [{"$ref": f"#/channels/{told.topic}/messages/{VERSION}"}],
    }


# -- dead letters


def _dead_letters(topic: Topic) -> Json:
    dead = Topic(topic.dead_letters, 1)
    return {
        "address": dead.name,
        "description": f"Records of {topic.name} that can never be processed.",
        "messages": {VERSION: {"$ref": "#/components/messages/dead-letter"}},
        "bindings": _binding(dead),
    }


def _bury(topic: Topic) -> Json:
    channel = f"#/channels/{dead_letter_topic(topic.name)}"
    return {
        "action": "send",
        "channel": {"$ref": channel},
        "summary": f"Set aside a record of {topic.name} that can never be processed.",
        "description": "`python -m tools dead-letters` lists, shows, replays and drops them.",
        "messages": [{"$ref": f"{channel}/messages/{VERSION}"}],
    }


def _dead_letter() -> Json:
    return {
        "name": "dead-letter",
        "title": "A dead letter",
        "summary": "The original key, headers and bytes, and why it is dead.",
        "headers": _DEAD,
        "payload": {"description": "The bytes as they were, whatever they are."},
    }


def _handled(topic: Topic) -> Json:
    return {
        "address": topic.name,
        "description": "Which dead letters were replayed or dropped; written by the operators' tools.",
        "messages": {VERSION: {"$ref": "#/components/messages/handled"}},
        "bindings": _binding(topic),
    }


def _handled_message() -> Json:
    return {
        "name": "handled",
        "title": "A dead letter was handled",
        "summary": "What became of the dead letter that the key names.",
        "contentType": "text/plain",
        "payload": {"type": "string", "description": "`replayed` or `dropped`, and when."},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": "`<topic>:<partition>:<offset>`"},
                "bindingVersion": _BINDING,
            }
        },
    }
