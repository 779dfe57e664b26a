import { mount } from "svelte";
import App from "./App.svelte";
import { loadTexts } from "./texts/texts";
import { applyTheme } from "./theme";

applyTheme();
await loadTexts();
const target = document.getElementById("app");
if (target) mount(App, { target });
