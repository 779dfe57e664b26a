import { mount } from "svelte";
import { showTrouble } from "./announcer.svelte";
import App from "./App.svelte";
import { explain } from "./problems";
import { route } from "./route.svelte";
import { refreshSession } from "./session.svelte";
import { loadTexts } from "./texts/texts";
import { applyTheme } from "./theme";
import { LOADERS } from "./views";

applyTheme();
// All at the same time: who is signed in, the code of the view, and the texts.
const session = refreshSession();
void Promise.allSettled([session, LOADERS[route.view]()]);
await loadTexts();
const target = document.getElementById("app");
if (target) mount(App, { target });
session.catch((error: unknown) => showTrouble(explain(error)));
