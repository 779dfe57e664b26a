// One action at a time: whether it is running, and why the last one failed.

import { Problem } from "./api/client";
import { explain } from "./problems";
import { sessionEnded } from "./session.svelte";

export class Action {
  isBusy = $state(false);
  problem = $state("");

  /** Runs the action and returns whether it succeeded; otherwise `problem` says what to do. Does nothing while one is running. */
  async run(action: () => Promise<void>): Promise<boolean> {
    if (this.isBusy) return false;
    this.isBusy = true;
    try {
      return await this.read(action);
    } finally {
      this.isBusy = false;
    }
  }

  /** The same for an action that only reads, such as a search: it may run while another one does. */
  async read(action: () => Promise<void>): Promise<boolean> {
    try {
      await action();
      this.problem = "";
      return true;
    } catch (error) {
      if (error instanceof Problem && error.code === "unauthenticated") sessionEnded();
      this.problem = explain(error);
      return false;
    }
  }
}
