#!/usr/bin/env bash
# Makes the Dockerfile's base image from Debian's packages, for where no image registry can be reached.
# Usage, as root: deploy/make-base-image.sh TAG; DOCKER names the client and its options, DEBIAN_MIRROR the mirror.
set -euo pipefail
tag=${1:?usage: make-base-image.sh TAG}
read -ra docker <<<"${DOCKER:-docker}"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# Debian 13 has the Python that the tag names; its venv module brings pip, as the real image has it.
debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv trixie "$folder/root" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"}
cd "$folder/root"
rm -rf usr/share/{doc,info,locale,man} var/{cache,log}/* var/lib/apt/lists/*
tar --create --one-file-system --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' . |
  "${docker[@]}" import --change 'ENV LANG=C.UTF-8' --change 'CMD ["python3"]' - "$tag"
