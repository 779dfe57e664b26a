#!/bin/sh
# Makes the database and its account once, from the variables that the image mysql has, and becomes the server.
set -eu
if [ ! -d /var/lib/mysql/mysql ]; then
  mysqld --no-defaults --initialize-insecure --datadir=/var/lib/mysql
fi
# Run before the server listens.
cat >/tmp/init.sql <<END
CREATE DATABASE IF NOT EXISTS $MYSQL_DATABASE;
CREATE USER IF NOT EXISTS '$MYSQL_USER'@'%' IDENTIFIED BY '$(cat "$MYSQL_PASSWORD_FILE")';
GRANT ALL ON $MYSQL_DATABASE.* TO '$MYSQL_USER'@'%';
ALTER USER root@localhost IDENTIFIED BY '$(cat "$MYSQL_ROOT_PASSWORD_FILE")';
END
exec mysqld --no-defaults --datadir=/var/lib/mysql --init-file=/tmp/init.sql --mysqlx=OFF
