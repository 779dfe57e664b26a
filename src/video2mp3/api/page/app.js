// The simple page: sign in, drop videos, see percent, play and download the MP3.
// Names and texts from users are only ever set as textContent.

const find = (id) => document.getElementById(id);
const ENDED = ["finished", "failed", "canceled"];

class Problem extends Error {
  constructor(status, body) {
    super(body?.detail ?? `The service answered ${status}.`);
    this.status = status;
  }
}

async function call(method, path, body) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  const response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const isJson = (response.headers.get("Content-Type") ?? "").includes("json");
  const answer = isJson ? await response.json() : null;
  if (!response.ok) throw new Problem(response.status, answer);
  return answer;
}

function say(text) {
  find("message").textContent = text;
  find("message").hidden = !text;
}

// -- Account ----------------------------------------------------------------------------------------

async function start() {
  try {
    const me = await call("GET", "/v1/me");
    // This machine's programs need no sign-in, but a browser does: any site can make it send requests.
    find("link-hint").hidden = me.signed_in_by !== "loopback";
    if (me.signed_in_by === "loopback") throw new Problem(401);
    find("username").textContent = me.username;
    show(true);
    const { items } = await call("GET", "/v1/conversions?limit=20");
    for (const job of items.reverse()) follow(addRow(job.source.name), job);
  } catch (problem) {
    if (problem.status !== 401) say(problem.message);
    show(false);
  }
}

function show(signedIn) {
  find("sign-in").hidden = signedIn;
  find("workbench").hidden = !signedIn;
  find("account").hidden = !signedIn;
  if (!signedIn) find("conversions").replaceChildren();
}

async function signIn(register) {
  const form = find("sign-in");
  if (!form.reportValidity()) return;
  const account = Object.fromEntries(new FormData(form));
  try {
    if (register) await call("POST", "/v1/accounts", account);
    await call("POST", "/v1/sessions?cookie=true", account);
    form.reset();
    say("");
    await start();
  } catch (problem) {
    say(problem.message);
  }
}

find("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  signIn(false);
});
find("register").addEventListener("click", () => signIn(true));
find("sign-out").addEventListener("click", async () => {
  try {
    await call("DELETE", "/v1/sessions");
  } catch (problem) {
    say(problem.message);
  }
  show(false);
});

// -- Conversions ------------------------------------------------------------------------------------

function addRow(name) {
  const row = find("conversion").content.firstElementChild.cloneNode(true);
  row.querySelector(".name").textContent = name;
  find("conversions").prepend(row);
  return row;
}

function upload(file) {
  const row = addRow(file.name);
  const dismiss = (text) => {
    fail(row, text);
    row.querySelector(".remove").onclick = () => row.remove();
  };
  if (file.size === 0) {
    dismiss("The file is empty.");
    return;
  }
  update(row, "Uploading", 0);
  const form = new FormData();
  const [option, value] = find("quality").value.split("=");
  form.append(option, value);
  form.append("file", file);
  // XMLHttpRequest, because fetch does not tell how much was sent.
  const request = new XMLHttpRequest();
  request.open("POST", "/v1/conversions");
  request.responseType = "json";
  request.upload.addEventListener("progress", (event) => {
    if (event.lengthComputable) update(row, "Uploading", (100 * event.loaded) / event.total);
  });
  request.addEventListener("load", () => {
    if (request.status === 202) follow(row, request.response);
    else dismiss(new Problem(request.status, request.response).message);
  });
  request.addEventListener("error", () => dismiss("The connection was lost; drop the file again."));
  request.addEventListener("abort", () => row.remove());
  row.querySelector(".remove").onclick = () => request.abort();
  request.send(form);
}

function follow(row, job) {
  const path = `/v1/conversions/${job.id}`;
  row.querySelector(".remove").onclick = () => remove(row, path);
  if (ENDED.includes(job.state)) {
    end(row, path, job);
    return;
  }
  const events = new EventSource(`${path}/events`);
  events.addEventListener("message", (event) => {
    const now = JSON.parse(event.data);
    update(row, now.state === "processing" ? "Converting" : "Waiting", now.percent);
    if (ENDED.includes(now.state)) {
      events.close();
      look(row, path);
    }
  });
  // After a lost connection the browser comes back by itself; after a refusal it does not.
  events.addEventListener("error", () => {
    if (events.readyState === EventSource.CLOSED) look(row, path);
  });
}

async function look(row, path) {
  try {
    const job = await call("GET", path);
    if (ENDED.includes(job.state)) end(row, path, job);
    else say("The connection was lost; load the page again.");
  } catch (problem) {
    if (problem.status === 404) row.remove();
    else say(problem.message);
  }
}

function update(row, state, percent) {
  row.querySelector(".state").textContent = `${state} ${Math.floor(percent)} %`;
  row.querySelector("progress").value = percent;
}

function end(row, path, job) {
  row.querySelector("progress").hidden = true;
  row.querySelector(".remove").textContent = "Delete";
  if (job.state === "failed") {
    fail(row, job.error.detail);
  } else if (job.state === "canceled") {
    row.querySelector(".state").textContent = "Canceled";
  } else {
    const { parts, size_bytes } = job.result;
    const download = row.querySelector(".buttons .download");
    row.querySelector(".state").textContent = size(size_bytes);
    download.href = `${path}/mp3`;
    download.hidden = false;
    row.querySelector("audio").hidden = false;
    if (parts) {
      download.textContent = "Download all (ZIP)";
      list(row, path, parts);
    } else {
      row.querySelector("audio").src = `${path}/mp3`;
    }
  }
}

// Several MP3s: each can be heard and downloaded; they are played one after the other.
function list(row, path, parts) {
  const audio = row.querySelector("audio");
  const items = parts.map((part) => {
    const item = find("part").content.firstElementChild.cloneNode(true);
    const name = part.title || part.name;
    item.querySelector(".play").textContent = `${name} (${time(part.duration_s)})`;
    item.querySelector(".play").setAttribute("aria-label", `Play ${name}`);
    item.querySelector(".play").addEventListener("click", () => play(part.number));
    item.querySelector(".download").href = `${path}/mp3?part=${part.number}`;
    item.querySelector(".download").setAttribute("aria-label", `Download ${name}`);
    return item;
  });
  let current;
  const choose = (number) => {
    current = number;
    audio.src = `${path}/mp3?part=${number}`;
    items.forEach((item, index) => item.setAttribute("aria-current", index + 1 === number));
  };
  const play = (number) => {
    choose(number);
    // A browser may refuse to play; its own controls are there then.
    audio.play().catch(() => {});
  };
  audio.addEventListener("ended", () => {
    if (current < parts.length) play(current + 1);
  });
  choose(1);
  row.querySelector(".parts ol").replaceChildren(...items);
  row.querySelector(".parts summary").textContent = parts.length === 1 ? "1 MP3" : `${parts.length} MP3s`;
  row.querySelector(".parts").hidden = false;
}

function time(seconds) {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function size(bytes) {
  return bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function fail(row, text) {
  row.classList.add("failed");
  row.querySelector(".state").textContent = text;
  row.querySelector("progress").hidden = true;
  row.querySelector(".remove").textContent = "Delete";
}

async function remove(row, path) {
  try {
    const job = await call("DELETE", path);
    // A running conversion is canceled first; its end comes with the events.
    if (job === null) row.remove();
  } catch (problem) {
    if (problem.status === 404) row.remove();
    else say(problem.message);
  }
}

// A file dropped beside the frame would replace the page.
for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());

const drop = find("drop");
find("file").addEventListener("change", (event) => {
  for (const file of event.target.files) upload(file);
  event.target.value = "";
});
for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", name === "dragenter" || name === "dragover");
  });
}
drop.addEventListener("drop", (event) => {
  for (const file of event.dataTransfer.files) upload(file);
});

start();
