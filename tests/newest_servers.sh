#!/usr/bin/env bash
# Makes a folder with Debian trixie's RabbitMQ 4 and one with Debian sid's MySQL 9, once; prints the variables that the
# tests read. Needs root (chroot, mount) and debootstrap; takes two minutes and 1.3 GB the first time.
set -euo pipefail
cache="${XDG_CACHE_HOME:-$HOME/.cache}/video2mp3-newest"
cd "$(dirname "$0")"
bash debian_root.sh "$cache/trixie" trixie rabbitmq-server
bash debian_root.sh "$cache/sid" sid mysql-server
echo "TESTS_RABBITMQ_ROOT=$cache/trixie TESTS_MYSQL_ROOT=$cache/sid"
