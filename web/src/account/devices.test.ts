import { describe, expect, it } from "vitest";
import { deviceOf } from "./devices";

describe("what a session is called", () => {
  it.each([
    ["Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox, Windows"],
    [
      "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36",
      "Chrome, Linux",
    ],
    [
      "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1 Version/17.5 Safari/604.1",
      "Safari, iOS",
    ],
    [
      "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126.0 Mobile Safari/537.36 EdgA/126.0",
      "Edge, Android",
    ],
    ["curl/8.5.0", "curl/8.5.0"],
    ["python-httpx/0.28 (anything <script>)", "python-httpx/0.28"],
    ["", ""],
  ])("is in words (%s)", (userAgent, device) => {
    expect(deviceOf(userAgent)).toBe(device);
  });
});
