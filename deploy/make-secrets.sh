#!/usr/bin/env bash
# Draws, once, the passwords of servers that run beside the service: make-secrets.sh FOLDER.
# For compose.yaml (secrets) and Kubernetes (deploy/kubernetes/overlays/local/secrets). They are never committed.
set -euo pipefail
folder=${1:?usage: make-secrets.sh FOLDER}
if [ -e "$folder" ]; then
  echo "$folder is there already; the servers keep the passwords that they began with."
  exit 0
fi
# Closed is the folder: containers get single files of it, and read them as different users.
mkdir -m 700 "$folder"
cd "$folder"
draw() { python3 -c 'import secrets; print(secrets.token_hex(24), end="")'; }
database=$(draw) broker=$(draw) storage=$(draw)
printf %s "$database" >mysql-password
draw >mysql-root-password
printf 'default_user = video2mp3\ndefault_pass = %s\n' "$broker" >rabbitmq-user.conf
printf '{"identities": [{"name": "video2mp3", "actions": ["Admin", "Read", "Write", "List", "Tagging"],
  "credentials": [{"accessKey": "video2mp3", "secretKey": "%s"}]}]}\n' "$storage" >s3.json
printf %s "mysql+pymysql://video2mp3:$database@mysql/video2mp3" >VIDEO2MP3_DATABASE_URL
printf %s "amqp://video2mp3:$broker@rabbitmq/" >VIDEO2MP3_QUEUE_URL
printf %s "$storage" >VIDEO2MP3_S3_SECRET_ACCESS_KEY
