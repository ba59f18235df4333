// Kobel's bootstrap for Node.js functions.
//
// Speaks length-framed messages over the socket whose descriptor `_KOBEL_CHANNEL` names:
// `length: u32`, `kind: u8`, `header length: u32`, a JSON header, a body; numbers are big endian.
'use strict';

const net = require('net');

const { load, Fault, STREAMING } = require('./loader.js');
const sdk = require('./sdk.js');
const { setRequestId, patchConsole, describe, logError } = require('./logs.js');

const READY = 0x49, INIT_ERROR = 0x46, INVOKE = 0x56, RESPONSE = 0x52, ERROR = 0x45;
const PREFIX_BYTES = 9;
const RESPONSE_BYTES_MAX = 6291556;
// The first major version for which Lambda has no callbacks any more.
const NO_CALLBACKS_SINCE = 24;
const NO_CALLBACKS =
  'ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. You need to modify this ' +
  'function to use a supported handler signature to use Node.js 24 or later. For more information see ' +
  'https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.';
const NEVER_SETTLED =
  'The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly caused by a Promise that was never ' +
  'settled. For more information, see https://nodejs.org/docs/latest/api/process.html#exit-codes';

// The status of a process whose top-level await was never settled.
const UNSETTLED_STATUS = 13;

// Of the function: set by `main`.
let channel = null;
let handler = null;
let hasCallbacks = true;
let ready = false;
// The invocation that runs, or null.
let current = null;

class Channel {
  constructor(descriptor) {
    this.descriptor = descriptor;
    this.socket = new net.Socket({ fd: descriptor, readable: true, writable: true });
    this.pending = Buffer.alloc(0);
    this.socket.on('data', (data) => this.receive(data));
    this.socket.on('close', () => process.reallyExit(0));
    this.socket.on('error', () => process.reallyExit(0));
  }

  static frame(kind, header, body) {
    const head = Buffer.from(JSON.stringify(header));
    const prefix = Buffer.alloc(PREFIX_BYTES);
    prefix.writeUInt32BE(5 + head.length + body.length, 0);
    prefix.writeUInt8(kind, 4);
    prefix.writeUInt32BE(head.length, 5);
    return Buffer.concat([prefix, head, body]);
  }

  // `sent` is called when the host has room for it.
  send(kind, header, body = Buffer.alloc(0), sent = undefined) {
    this.socket.write(Channel.frame(kind, header, body), sent);
  }

  // Sends, then ends the process with `status`.
  sendLast(kind, header, body, status) {
    this.socket.write(Channel.frame(kind, header, body), () => process.reallyExit(status));
  }

  receive(data) {
    this.pending = this.pending.length ? Buffer.concat([this.pending, data]) : data;
    while (this.pending.length >= PREFIX_BYTES) {
      const length = this.pending.readUInt32BE(0);
      if (this.pending.length < 4 + length) return;
      const kind = this.pending.readUInt8(4);
      const headerEnd = PREFIX_BYTES + this.pending.readUInt32BE(5);
      const header = JSON.parse(this.pending.toString('utf8', PREFIX_BYTES, headerEnd));
      const body = this.pending.subarray(headerEnd, 4 + length);
      this.pending = this.pending.subarray(4 + length);
      if (kind === INVOKE) invoke(header, body);
    }
  }
}

// One event under way. Its first answer counts.
class Invocation {
  constructor(header) {
    this.requestId = header.requestId;
    this.streamBytesMax = header.streamBytesMax;
    // The function has called back: other calls do nothing.
    this.calledBack = false;
    this.answered = false;
    this.waitsForEmptyEventLoop = true;
    this.held = null;
  }

  makeContext(header) {
    const callbacks = hasCallbacks && !handler[STREAMING] ? this.makeCallbacks() : {};
    return Object.assign(callbacks, contextOf(header));
  }

  makeCallbacks() {
    const invocation = this;
    const once = (call) => (...values) => {
      if (this.calledBack) return;
      this.calledBack = true;
      call(...values);
    };
    this.callback = once((error, result) => this.call(error, result));
    return {
      get callbackWaitsForEmptyEventLoop() { return invocation.waitsForEmptyEventLoop; },
      set callbackWaitsForEmptyEventLoop(value) { invocation.waitsForEmptyEventLoop = value; },
      succeed: once((result) => this.succeed(result)),
      fail: once((error) => this.fail(error ?? 'handled')),
      done: once((error, result) => (error === undefined || error === null ? this.succeed(result) : this.fail(error))),
    };
  }

  // The callback style: the answer waits until nothing is left to do, if the handler wants so.
  call(error, result) {
    if (error !== undefined && error !== null) this.fail(error);
    else if (this.waitsForEmptyEventLoop) this.held = { result };
    else this.succeed(result);
  }

  // The promise of an asynchronous handler, which does not wait for other work.
  settle(promise) {
    promise.then(
      (result) => this.calledBack || this.succeed(result),
      (error) => this.calledBack || this.fail(error ?? 'handled'),
    );
  }

  // Nothing is left to do: a held answer goes out. A handler that never answered gave null, unless it promised something.
  loopIsEmpty() {
    if (this.held) this.succeed(this.held.result);
    else if (handler.constructor?.name === 'AsyncFunction') this.fail(new Fault('Runtime.NodeJsExit', NEVER_SETTLED));
    else this.succeed(null);
  }

  succeed(result) {
    if (this.answered) return;
    let body;
    try {
      body = Buffer.from(JSON.stringify(result === undefined ? null : result) ?? 'null');
    } catch {
      this.fail(new Error('Unable to stringify response body'));
      return;
    }
    this.end();
    const { requestId } = this;
    if (body.length > RESPONSE_BYTES_MAX) channel.send(ERROR, { requestId, errorType: 'Function.ResponseSizeTooLarge' });
    else channel.send(RESPONSE, { requestId }, body);
  }

  fail(error) {
    if (this.answered) return;
    logError('Invoke Error', error);
    this.end();
    const described = describe(error);
    channel.send(ERROR, { requestId: this.requestId, errorType: described.errorType }, Buffer.from(JSON.stringify(described)));
  }

  // Nothing more is written to the stream that is the answer.
  endStream() {
    if (this.answered) return;
    this.end();
    channel.send(RESPONSE, { requestId: this.requestId });
  }

  end() {
    this.answered = true;
    channel.socket.ref();
  }
}

// The members of a context, but for those of callbacks.
function contextOf(header) {
  const env = process.env;
  return {
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parsed(header.clientContext, 'ClientContext'),
    identity: parsed(header.cognitoIdentity, 'CognitoIdentity'),
    invokedFunctionArn: header.functionArn,
    awsRequestId: header.requestId,
    tenantId: undefined,
    getRemainingTimeInMillis: () => header.deadlineMs - Date.now(),
  };
}

function parsed(text, name) {
  if (!text) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`Cannot parse ${name} as json: ${error}`);
  }
}

function invoke(header, body) {
  setRequestId(header.requestId);
  if (header.traceId) process.env._X_AMZN_TRACE_ID = header.traceId;
  else delete process.env._X_AMZN_TRACE_ID;
  // Only the function's own work keeps the event loop alive now.
  channel.socket.unref();
  const invocation = new Invocation(header);
  current = invocation;
  try {
    run(invocation, JSON.parse(body.toString('utf8')), invocation.makeContext(header));
  } catch (error) {
    invocation.fail(error);
  }
}

function run(invocation, event, context) {
  if (handler[STREAMING]) {
    require('./streaming.js').run(handler, event, invocation, context, channel);
    return;
  }
  const result = handler(event, context, invocation.callback);
  if (result && typeof result.then === 'function') invocation.settle(result);
}

// An error that nobody caught ends the process, after it was reported.
function die(title, error, status) {
  logError(title, error);
  const described = describe(error);
  const body = Buffer.from(JSON.stringify(described));
  if (!ready) {
    channel.sendLast(INIT_ERROR, { errorType: described.errorType }, body, status);
  } else if (current && !current.answered) {
    current.answered = true;
    channel.sendLast(ERROR, { requestId: current.requestId, errorType: described.errorType, fatal: true }, body, status);
  } else {
    // What was answered may still be on its way.
    channel.socket.write('', () => process.reallyExit(status));
  }
}

function rejected(reason, promise) {
  const fault = new Fault('Runtime.UnhandledPromiseRejection', String(reason));
  die('Unhandled Promise Rejection', Object.assign(fault, { reason, promise }), 128);
}

// Becomes the runtime of the function that `process.env` describes, and serves it over `descriptor`.
// `becomeTemplate` is called after the init, and returns in each fork.
function main(descriptor, becomeTemplate = null) {
  const { env } = process;
  channel = new Channel(descriptor);
  delete env._KOBEL_CHANNEL;
  delete env.KOBEL_OPT;
  hasCallbacks = !(Number(/nodejs(\d+)/.exec(env.AWS_EXECUTION_ENV)?.[1]) >= NO_CALLBACKS_SINCE);
  patchConsole(env.AWS_LAMBDA_LOG_FORMAT, env.AWS_LAMBDA_LOG_LEVEL);
  if (!['1', 'true'].includes(env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA)) offerStreaming();
  process.on('uncaughtException', (error) => die('Uncaught Exception', error, 129));
  process.on('unhandledRejection', rejected);
  process.on('beforeExit', () => {
    // A module that waits for what never comes ends as Node.js ends it.
    if (!ready) process.reallyExit(UNSETTLED_STATUS);
    if (current && !current.answered) current.loopIsEmpty();
  });
  channel.socket.unref();
  sdk.offer();
  // Not at once: a promise that was rejected meanwhile and that nobody caught fails the init.
  load(env.LAMBDA_TASK_ROOT, env._HANDLER)
    .then((loaded) => setImmediate(start, checked(loaded), becomeTemplate))
    .catch((error) => die('Uncaught Exception', error, 129));
}

// Most functions never ask for it.
function offerStreaming() {
  const become = (value) => Object.defineProperty(globalThis, 'awslambda', { value, configurable: true, enumerable: true, writable: true });
  Object.defineProperty(globalThis, 'awslambda', {
    configurable: true,
    get: () => require('./streaming.js').awslambda,
    // The AWS SDK sets what it finds there.
    set: become,
  });
}

function checked(loaded) {
  if (!hasCallbacks && loaded.length >= 3 && !loaded[STREAMING]) {
    throw new Fault('Runtime.CallbackHandlerDeprecated', NO_CALLBACKS);
  }
  return loaded;
}

function start(loaded, becomeTemplate) {
  if (becomeTemplate) becomeTemplate(channel);
  handler = loaded;
  ready = true;
  channel.socket.ref();
  channel.send(READY, {});
}

if (process.env._KOBEL_CHANNEL) main(Number(process.env._KOBEL_CHANNEL));
module.exports = { main, offerStreaming };
