// Handlers that stream their response.

const stream = (handler) => awslambda.streamifyResponse(handler);
const pause = () => new Promise((done) => setTimeout(done, 5));

// Waits until the object at this path is there.
async function opened(gate) {
  while ((await fetch(`${process.env.AWS_ENDPOINT_URL}/${gate}`)).status !== 200) await pause();
}

// Writes each text; waits for the gate before the second.
export const gated = stream(async ({ texts, gate }, out) => {
  for (const [index, text] of texts.entries()) {
    if (index === 1) await opened(gate);
    out.write(text);
  }
  console.log('wrote the last text');
  out.end();
});

export const http = stream(async (event, out) => {
  out = awslambda.HttpResponseStream.from(out, { statusCode: 418, headers: { 'x-nut': 'acorn' } });
  out.end('a teapot');
});

export const json = stream(async (event, out) => {
  out.write({ got: event });
  out.end();
});

export const bytes = stream(async ({ count }, out) => {
  const chunk = Buffer.alloc(100_000, 'x');
  for (let left = count; left > 0; left -= chunk.length) {
    if (!out.write(chunk.subarray(0, left))) await new Promise((done) => out.once('drain', done));
  }
  out.end();
});

// Fails in the way that the event names, after its text if it has one.
export const fail = stream(async ({ text, how }, out) => {
  if (text) await new Promise((done) => out.write(text, done));
  if (how === 'throw') throw new RangeError('the branch is thin');
  if (how === 'exit') process.exit(7);
  if (how === 'hang') await new Promise((done) => setTimeout(done, 60_000));
});
