// Patience with a server or a connection that is away for a while.
import { Refused, givenUp } from "./request.js";

const PAUSES_S = [1, 2, 5, 10, 20, 30];
// A proxy or server that is just away; whatever else the server answers is tried a few times only.
const AWAY = new Set([0, 408, 429, 502, 503, 504, 507]);
const FEW = 5;
const AGAIN = new Set(["digest_mismatch", "incomplete"]);

// Asks until there is an answer. `waiting` is called with the text of each failure, and with nothing when it is over.
export async function persist(ask, { signal, waiting }) {
  for (let failures = 0; ; failures += 1) {
    try {
      const answer = await ask();
      if (failures) waiting("");
      return answer;
    } catch (error) {
      if (signal.aborted || !worthAnother(error, failures)) throw error;
      waiting(error.message);
      await pause(PAUSES_S[Math.min(failures, PAUSES_S.length - 1)], signal);
    }
  }
}

function worthAnother(error, failures) {
  if (!(error instanceof Refused)) return false;
  if (AWAY.has(error.status)) return true;
  return failures < FEW && (error.status >= 500 || AGAIN.has(error.code));
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      window.removeEventListener("online", end);
      if (signal.aborted) reject(givenUp());
      else resolve();
    };
    const timer = setTimeout(end, seconds * 1000);
    window.addEventListener("online", end);
    signal.addEventListener("abort", end, { once: true });
  });
}
