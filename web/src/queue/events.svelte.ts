// Connects the queue with the other tabs, the service's events, the network and the window. Imported once, for its effects.

import { onTabMessage, TAB, type Message } from "../tabs/channel";
import { checkConnection } from "../connection.svelte";
import { announceTab, heardFrom } from "../tabs/senders";
import { wipe } from "./account";
import { cancel } from "./actions";
import { isEnd } from "./feed";
import { entryWithId, owner, queue } from "./list.svelte";
import { pumpNow } from "./scheduler";
import { drop, feed, postAllRows, postRows, take, takeRow } from "./sharing";

announceTab();
onTabMessage((message, userId, from) => {
  heardFrom(from);
  if (message.kind === "cleared") void wipe();
  else if (owner.userId && userId === owner.userId) hear(message);
});
addEventListener("online", pumpNow);
addEventListener("offline", () => void checkConnection());
addEventListener("beforeunload", (event) => {
  // The browser asks whether to leave.
  if (queue.entries.some((entry) => entry.sender === TAB && !entry.isEnded)) event.preventDefault();
});
$effect.root(() => {
  $effect(() => feed.follow(followed()));
  $effect(postRows);
});

function followed(): string[] {
  const running = queue.entries.filter(({ conversion, trouble }) => conversion && !isEnd(conversion.state) && !trouble);
  return running.map((entry) => entry.conversion?.id ?? "");
}

function hear(message: Message): void {
  const entry = "id" in message ? entryWithId(message.id) : undefined;
  switch (message.kind) {
    case "hello":
      postAllRows();
      break;
    case "row":
      takeRow(message.row, message);
      break;
    case "removed":
      if (entry) drop(entry);
      break;
    case "cancel":
      if (entry?.sender === TAB) void cancel(entry);
      break;
    case "progress":
    case "conversion":
    case "gone":
      take(message);
  }
}
