#!/usr/bin/env bash
# Makes an image of a folder that holds a Debian release: import_root.sh FOLDER TAG; DOCKER names the client.
set -euo pipefail
folder=$1 tag=$2
read -ra docker <<<"${DOCKER:-docker}"
tar --create --one-file-system --directory "$folder" --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' \
  --exclude='./var/lib/mysql/*' --exclude='./var/cache/*' --exclude='./usr/share/doc/*' . | "${docker[@]}" import - "$tag"
