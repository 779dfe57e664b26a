#!/usr/bin/env bash
# Draws the passwords of the local overlay, once. They are never committed.
set -euo pipefail
cd "$(dirname "$0")"
if [ -e secrets ]; then
  echo "$PWD/secrets is there already; the servers keep the passwords that they began with."
  exit 0
fi
umask 077
draw() { python3 -c 'import secrets; print(secrets.token_urlsafe(24), end="")'; }
database=$(draw) broker=$(draw)
mkdir secrets
printf %s "$database" >secrets/mysql-password
draw >secrets/mysql-root-password
printf 'default_user = video2mp3\ndefault_pass = %s\n' "$broker" >secrets/rabbitmq-user.conf
printf %s "mysql+pymysql://video2mp3:$database@mysql/video2mp3" >secrets/VIDEO2MP3_DATABASE_URL
printf %s "amqp://video2mp3:$broker@rabbitmq/" >secrets/VIDEO2MP3_QUEUE_URL
