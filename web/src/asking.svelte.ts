// One thing at a time that a part of the page asks of the service: whether it is under way, and what went wrong.

import { Problem } from "./api/client";
import { explain } from "./problems";
import { sessionEnded } from "./session.svelte";

export class Asking {
  isBusy = $state(false);
  problem = $state("");

  /** Does it, and returns whether it went well; else `problem` says what to do. Nothing where one is under way. */
  async run(action: () => Promise<void>): Promise<boolean> {
    if (this.isBusy) return false;
    this.isBusy = true;
    try {
      await action();
      this.problem = "";
      return true;
    } catch (error) {
      if (error instanceof Problem && error.code === "unauthenticated") sessionEnded();
      this.problem = explain(error);
      return false;
    } finally {
      this.isBusy = false;
    }
  }
}
