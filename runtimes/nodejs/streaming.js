// Response streaming: what `awslambda` offers to functions, and how its handlers are run.
'use strict';

const { Writable, finished } = require('stream');

const { Fault, STREAMING } = require('./loader.js');

const STREAM = 0x53, CHUNK = 0x43;
const HIGH_WATER_MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');
const HTTP_CONTENT_TYPE = 'application/vnd.awslambda.http-integration-response';
// What ends the prelude of an HTTP response.
const PRELUDE_END = Buffer.alloc(8);
const CHUNK_BYTES_MAX = 256 * 1024;

// What a handler writes to. The socket holds it back: a write is done when the host has room for it.
class ResponseStream extends Writable {
  constructor(channel, invocation, highWaterMark) {
    super(highWaterMark === undefined ? {} : { highWaterMark });
    this.channel = channel;
    this.requestId = invocation.requestId;
    this.bytesMax = invocation.streamBytesMax;
    this.sentBytes = 0;
    this.contentType = undefined;
    this.prelude = null;
    // The function has written: content type and prelude are settled.
    this.settled = false;
    this.begun = false;
  }

  setContentType(contentType) {
    if (this.settled) throw new Fault('Runtime.InvalidStreamingOperation', 'Cannot set content-type, too late.');
    this.contentType = contentType;
  }

  // Other values than text and bytes are written as JSON.
  write(chunk, encoding, callback) {
    this.settled = true;
    const plain = typeof chunk === 'string' || chunk instanceof Uint8Array;
    return super.write(plain ? chunk : JSON.stringify(chunk), encoding, callback);
  }

  _write(chunk, _encoding, callback) {
    this.begin();
    this.send(chunk, callback);
  }

  _final(callback) {
    this.begin();
    callback();
  }

  begin() {
    if (this.begun) return;
    this.begun = this.settled = true;
    this.channel.send(STREAM, { requestId: this.requestId, contentType: this.contentType });
    if (this.prelude) this.send(Buffer.concat([Buffer.from(this.prelude), PRELUDE_END]), () => {});
  }

  send(chunk, callback) {
    const fits = chunk.subarray(0, this.bytesMax - this.sentBytes);
    this.sentBytes += fits.length;
    let last = callback;
    if (fits.length < chunk.length) {
      last = () => callback(new Fault('Function.ResponseSizeTooLarge', 'Response payload size exceeded maximum allowed payload size'));
    }
    let at = 0;
    for (; at + CHUNK_BYTES_MAX < fits.length; at += CHUNK_BYTES_MAX) {
      this.channel.send(CHUNK, { requestId: this.requestId }, fits.subarray(at, at + CHUNK_BYTES_MAX));
    }
    this.channel.send(CHUNK, { requestId: this.requestId }, fits.subarray(at), last);
  }
}

function streamifyResponse(handler, options) {
  handler[STREAMING] = 'response';
  if (options?.highWaterMark !== undefined) handler[HIGH_WATER_MARK] = Number.parseInt(options.highWaterMark, 10);
  return handler;
}

// A stream whose response has a status, headers and cookies.
class HttpResponseStream {
  static from(stream, metadata) {
    stream.setContentType(HTTP_CONTENT_TYPE);
    stream.prelude = JSON.stringify(metadata);
    return stream;
  }
}

// The invocation ends when the handler's promise is fulfilled and the stream has ended.
function run(handler, event, invocation, context, channel) {
  const stream = new ResponseStream(channel, invocation, handler[HIGH_WATER_MARK]);
  const fail = (error) => {
    invocation.fail(error);
    stream.destroy();
  };
  stream.on('error', fail);
  invocation.loopIsEmpty = () => fail(new Fault('Runtime.InvalidStreamingOperation', 'Response stream is not finished.'));
  let result;
  try {
    result = handler(event, stream, context);
  } catch (error) {
    fail(error);
    return;
  }
  if (!result || typeof result.then !== 'function') {
    fail(new Fault('Runtime.MalformedStreamingHandler', 'Streaming does not support non-async handlers.'));
    return;
  }
  const done = (error) => (error ? fail(error) : invocation.endStream());
  result.then(() => (stream.writableFinished ? done() : finished(stream, done)), fail);
}

module.exports = { run, awslambda: { streamifyResponse, HttpResponseStream } };
