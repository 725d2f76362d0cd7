"""The AsyncAPI 3.0 document: every topic, its producer and its events."""

from collections.abc import Mapping
from typing import Final, get_args

from libs.contracts.topics import (
    CONSUMED,
    DEAD_LETTERS_HANDLED,
    OPERATED,
    TOPICS,
    Topic,
    dead_letter_topic,
)
from libs.messaging.cloudevents import PoisonCode
from tools.docs.events import EVENTS, VERSION, EventDoc, Sample
from tools.docs.packages import release
from tools.docs.schemas import Json, SchemaCollector

_BINDING: Final = "0.5.0"
_DESCRIPTION: Final = """\
Shops publish orders and refunds. The services publish all other events through an outbox: each event is
delivered at least once, and events with the same key in order. Consumers deduplicate by the event's id.
Consumers must ignore unknown fields, since new versions only add fields.

Events are CloudEvents 1.0 in Kafka's binary mode. Orders and refunds are also accepted in structured mode
(`application/cloudevents+json`) and as plain JSON without headers. A record can have up to 1 MiB. Orders
and refunds without a customer belong to guests and are skipped.

A record that a consumer can never process is copied unchanged to `<topic>.dlq`, with the reason in headers.
"""

_TEXT: Final = {"type": "string"}
_CLOUD_EVENT: Final[Json] = {
    "type": "object",
    "properties": {
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_id": {
            "type": "string",
            "description": "The event's id; a redelivered event has the same id.",
        },
        "ce_type": {"type": "string", "description": "The topic's name."},
        "ce_source": _TEXT,
        "ce_time": {"type": "string", "format": "date-time"},
        "ce_dataschema": {
            "type": "string",
            "description": "Ends in the major version. Without it, v1 is assumed.",
        },
        "content-type": {"type": "string", "const": "application/json"},
        "traceparent": {"type": "string", "description": "W3C trace context."},
    },
}
_DEAD_LETTER_HEADERS: Final[Json] = {
    "type": "object",
    "properties": {
        "dlq-code": {
            "type": "string",
            "enum": list(get_args(PoisonCode)),
        },
        "dlq-detail": {"type": "string", "description": "What is wrong, in one sentence."},
        "dlq-service": {"type": "string", "description": "The service that could not process it."},
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
    """The whole document, with the topics' samples as examples."""
    schemas = SchemaCollector("#/components/schemas/")
    messages = {event.topic: _message(event, schemas, samples[event.topic]) for event in EVENTS}
    return {
        "asyncapi": "3.0.0",
        "id": "urn:whale:loyalty",
        "info": {
            "title": "Whale Loyalty events",
            "version": release(),
            "description": _DESCRIPTION,
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
            **{topic.dead_letters: _dead_letter_channel(topic) for topic in CONSUMED},
            DEAD_LETTERS_HANDLED: _handled_channel(OPERATED[0]),
        },
        "operations": {
            **{f"{event.topic}.{event.sender}": _operation(event) for event in EVENTS},
            **{f"{topic.name}.dead": _dead_letter_operation(topic) for topic in CONSUMED},
        },
        "components": {
            "schemas": dict(sorted(schemas.collected.items())),
            "messages": {
                **messages,
                "dead-letter": _dead_letter_message(),
                "handled": _handled_message(),
            },
            "messageTraits": {"cloud-event": {"headers": _CLOUD_EVENT}},
        },
    }


def _message(event: EventDoc, schemas: SchemaCollector, sample: Sample) -> Json:
    return {
        "name": event.topic,
        "title": event.topic,
        "summary": event.summary,
        "contentType": "application/json",
        "traits": [{"$ref": "#/components/messageTraits/cloud-event"}],
        "payload": schemas.of(event.kind),
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": event.key},
                "bindingVersion": _BINDING,
            }
        },
        "examples": [{"name": VERSION, "headers": sample.headers, "payload": sample.value}],
    }


def _channel(topic: Topic) -> Json:
    event = next(event for event in EVENTS if event.topic == topic.name)
    return {
        "address": topic.name,
        "description": event.summary,
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


def _operation(event: EventDoc) -> Json:
    """The operation of the services: they receive the events of shops, and send all others."""
    return {
        "action": "send" if event.is_ours else "receive",
        "channel": {"$ref": f"#/channels/{event.topic}"},
        "summary": event.summary,
        "description": f"Published by {'the ' + event.sender + ' service' if event.is_ours else 'shops'}.",
        "messages": [{"$ref": f"#/channels/{event.topic}/messages/{VERSION}"}],
    }


# -- dead letters


def _dead_letter_channel(topic: Topic) -> Json:
    dead = Topic(topic.dead_letters, 1)
    return {
        "address": dead.name,
        "description": f"Records of {topic.name} that can never be processed.",
        "messages": {VERSION: {"$ref": "#/components/messages/dead-letter"}},
        "bindings": _binding(dead),
    }


def _dead_letter_operation(topic: Topic) -> Json:
    channel = f"#/channels/{dead_letter_topic(topic.name)}"
    return {
        "action": "send",
        "channel": {"$ref": channel},
        "summary": f"Copy a record of {topic.name} that can never be processed.",
        "description": "`python -m tools dead-letters` lists, shows, replays and drops dead letters.",
        "messages": [{"$ref": f"{channel}/messages/{VERSION}"}],
    }


def _dead_letter_message() -> Json:
    return {
        "name": "dead-letter",
        "title": "A dead letter",
        "summary": "The original key, headers and value, and the reason in `dlq-` headers.",
        "headers": _DEAD_LETTER_HEADERS,
        "payload": {"description": "The original bytes, in any format."},
    }


def _handled_channel(topic: Topic) -> Json:
    return {
        "address": topic.name,
        "description": "Which dead letters were replayed or dropped. Written by operators' tools.",
        "messages": {VERSION: {"$ref": "#/components/messages/handled"}},
        "bindings": _binding(topic),
    }


def _handled_message() -> Json:
    return {
        "name": "handled",
        "title": "A dead letter was handled",
        "summary": "The outcome of the dead letter in the key.",
        "contentType": "text/plain",
        "payload": {"type": "string", "description": "`replayed` or `dropped`, and the time."},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": "`<topic>:<partition>:<offset>`"},
                "bindingVersion": _BINDING,
            }
        },
    }
