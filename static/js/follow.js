// An import that was started here is followed to its end: what came in, what was held back, what was refused.
import { call } from "./request.js";

const EVERY_MS = 2000;
const PARTS = [["created", "came in"], ["duplicates", "there"], ["held", "held"], ["rejected", "refused"]];

export async function follow(batch, line, { url, token, say, ended }) {
  const place = `/imports/${batch.id}/`;
  line.working(say("queued"), say("report"), place);
  for (let known = batch; ;) {
    if (known.finished_at) return finish(known, place, line, say, ended);
    await new Promise((resolve) => { setTimeout(resolve, EVERY_MS); });
    try {
      known = (await call("GET", `${url}${batch.id}/`, { token })).data;
    } catch (error) {
      if (error.final) return undefined; // signed out, or gone: the report's own page says more
    }
    if (known.status === "running") line.working(say("running"), say("report"), place);
    line.progress(known.progress ?? 0);
  }
}

function finish(batch, place, line, say, ended) {
  const note = PARTS.filter(([part]) => batch[part]).map(([part, word]) => `${say(word)}: ${batch[part]}`).join(" · ");
  if (batch.status === "succeeded") {
    line.succeeded(say("ended"), say("report"), place, { tone: batch.held || batch.rejected ? "care" : "good", note });
    ended();
  } else line.succeeded(say("failed"), say("report"), place, { tone: "bad", note: batch.error });
}
