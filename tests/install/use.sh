# What somebody does after the installation: run in a folder with talk.mp4, with a port that is free.
set -euo pipefail
video2mp3 --version
video2mp3 convert talk.mp4 --force
video2mp3 doctor
video2mp3 serve --port 8000 >serve.log 2>&1 &
trap 'kill %1' EXIT
until grep -q "listens on http://" serve.log; do
  kill -0 %1 || { cat serve.log; exit 1; }
  sleep 0.2
done
curl -fsS -H 'Accept: text/html' localhost:8000/ -o page.html
script=$(grep -oE 'page/assets/[^"]+\.js' page.html | head -1)
curl -fsS "localhost:8000/$script" -o page.js
curl -fsS -T talk.mp4 localhost:8000/v1/mp3/ -o served.mp3
video2mp3 push talk.mp4 --server http://localhost:8000 -o pushed.mp3 --force
