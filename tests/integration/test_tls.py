"""PostgreSQL and Redis are reached over TLS, with the certificate that the address requires."""

import asyncio
import shutil
import ssl
from pathlib import Path

import pytest
from redis.asyncio import Redis

from libs.messaging.relay import Relay
from libs.persistence.engine import create_batch_engine, statement
from libs.persistence.migrate import upgrade
from libs.testing.eventually import eventually
from tests.integration.conftest import empty_database
from tests.secured import Certificate, tls_in_front_of
from tests.support import Stack

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl makes the certificates"
)


async def test_engines_migrations_and_relays_verify_the_certificate_that_the_address_asks_for(
    stack: Stack, unique: str, certificate: Certificate, tmp_path: Path
) -> None:
    database = await empty_database(stack, "earning", unique)
    another = Certificate(tmp_path)
    port = stack.settings.postgres_port
    async with tls_in_front_of(port, certificate, postgres=True) as front:

        def secured_by(authority: Certificate, url: str) -> str:
            at = url.replace(f":{port}/", f":{front}/")
            return f"{at}?sslmode=verify-full&sslrootcert={authority.ca}"

        assert await _reaches(secured_by(certificate, database.url))
        assert not await _reaches(secured_by(another, database.url))
        owner = secured_by(certificate, database.owner_url)
        await asyncio.to_thread(upgrade, "services.earning", owner)
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.to_thread(
                upgrade, "services.earning", secured_by(another, database.owner_url)
            )
        await _relay_is_ready(secured_by(certificate, database.url), stack.kafka)
    # The server itself has no TLS: an address that requires it does not go on without.
    with pytest.raises(ConnectionError, match="rejected SSL upgrade"):
        await _reaches(f"{database.url}?sslmode=require")


async def _reaches(url: str) -> bool:
    engine = create_batch_engine(url, name="test", connections=1)
    try:
        async with statement(engine) as connection:
            return bool(await connection.fetchval("SELECT true"))
    except ssl.SSLCertVerificationError:
        return False
    finally:
        await engine.dispose()


async def _relay_is_ready(url: str, bootstrap: str) -> None:
    relay = Relay(url, bootstrap)
    running = asyncio.create_task(relay.run())

    async def ready() -> None:
        await relay.ready()

    try:
        await eventually(ready)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_redis_is_reached_over_tls_by_its_address(
    stack: Stack, certificate: Certificate
) -> None:
    port = stack.settings.redis_port
    async with tls_in_front_of(port, certificate) as front:
        url = stack.addresses.redis.replace("redis://", "rediss://").replace(
            f":{port}", f":{front}"
        )
        async with Redis.from_url(f"{url}?ssl_ca_certs={certificate.ca}") as client:
            assert await client.ping()
