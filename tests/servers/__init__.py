"""Real servers for tests: started on free loopback ports with data in a temporary folder, and ended afterwards."""

from tests.servers.mariadb import MariaDBServer
from tests.servers.programs import free_port, require_program, wait_until
from tests.servers.rabbitmq import RabbitMQServer
from tests.servers.s3 import Bucket, S3Server
from tests.servers.smtp import SMTPServer

__all__ = [
    "Bucket",
    "MariaDBServer",
    "RabbitMQServer",
    "S3Server",
    "SMTPServer",
    "free_port",
    "require_program",
    "wait_until",
]
