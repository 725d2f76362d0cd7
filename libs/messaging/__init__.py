"""Kafka: events on the wire, the delivery policy of consumers, the outbox and its relay."""
