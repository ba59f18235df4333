// Kobel's bootstrap for Node.js functions.
//
// Speaks length-framed messages over the socket whose descriptor `_KOBEL_CHANNEL` names:
// `length: u32`, `kind: u8`, `header length: u32`, a JSON header, a body; numbers are big endian.
'use strict';

const fs = require('fs');
const net = require('net');
const path = require('path');
const { pathToFileURL } = require('url');
const util = require('util');

const READY = 0x49, INIT_ERROR = 0x46, INVOKE = 0x56, RESPONSE = 0x52, ERROR = 0x45;
// How `awslambda.streamifyResponse` marks a handler.
const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const PREFIX_BYTES = 9;
const RESPONSE_BYTES_MAX = 6291556;
// A line break inside a message that is one log event.
const MESSAGE_BREAK = '\x1e';
const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];

// Of the function: set by `main`.
let jsonLogs = false;
let levelMin = 0;
let channel = null;
let handler = null;
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

// An error that AWS names in its own way.
class Fault extends Error {
  constructor(type, message) {
    super(message);
    this.name = type;
  }
}

function writeEvent(text) {
  const line = Buffer.from(text.replace(/\n/g, MESSAGE_BREAK) + '\n');
  let at = 0;
  while (at < line.length) {
    try {
      at += fs.writeSync(1, line, at);
    } catch (error) {
      if (error.code !== 'EAGAIN') return;
    }
  }
}

function log(level, values) {
  if (LEVELS.indexOf(level) < levelMin) return;
  const time = new Date().toISOString();
  const requestId = current ? current.requestId : undefined;
  if (!jsonLogs) {
    writeEvent(`${time}\t${requestId}\t${level}\t${util.format(...values)}`);
    return;
  }
  const entry = { timestamp: time, level, requestId };
  const error = values.find((value) => value instanceof Error);
  entry.message = values.length === 1 && typeof values[0] === 'object' && !error ? values[0] : util.format(...values);
  if (error) {
    entry.errorType = error.name;
    entry.errorMessage = error.message;
    entry.stackTrace = trace(error).slice(1);
  }
  writeEvent(JSON.stringify(entry));
}

function patchConsole() {
  const levels = { log: 'INFO', info: 'INFO', debug: 'DEBUG', trace: 'TRACE', warn: 'WARN', error: 'ERROR', fatal: 'FATAL' };
  for (const [name, level] of Object.entries(levels)) {
    console[name] = (...values) => log(level, values);
  }
}

function trace(error) {
  return typeof error.stack === 'string' ? error.stack.split('\n') : [];
}

// The error object that the caller gets.
function describe(error) {
  if (error instanceof Error || (error && typeof error === 'object' && 'stack' in error && 'message' in error)) {
    return { errorType: error.name || 'Error', errorMessage: error.message, trace: trace(error) };
  }
  return { errorType: typeof error, errorMessage: String(error), trace: [] };
}

// What the log shows of an error: also the members that the code added to it.
function logged(error, described) {
  const own = error instanceof Error ? Object.fromEntries(Object.entries(error).filter(([, value]) => typeof value !== 'function')) : {};
  const { errorType, errorMessage, trace: stack } = described;
  return { errorType, errorMessage, ...own, stack };
}

function logError(title, error, described) {
  const level = 'ERROR';
  if (jsonLogs) {
    log(level, [error]);
    return;
  }
  let text;
  try {
    text = JSON.stringify(logged(error, described));
  } catch {
    text = JSON.stringify(described);
  }
  log(level, [`${title} \t${text}`]);
}

function parseHandler(setting) {
  if (setting.includes('..')) throw new Fault('Runtime.MalformedHandlerName', `'${setting}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  const file = path.basename(setting);
  const folder = setting.slice(0, setting.length - file.length);
  const match = /^([^.]*)\.(.*)$/.exec(file);
  if (!match || !match[2]) throw new Fault('Runtime.MalformedHandlerName', 'Bad handler');
  return { folder, module: match[1], exported: match[2].split('.') };
}

async function loadModule(root, folder, name) {
  const base = path.resolve(root, folder, name);
  for (const extension of ['', '.js', '.mjs', '.cjs']) {
    const file = base + extension;
    if (!fs.existsSync(file) || !fs.statSync(file).isFile()) continue;
    if (extension === '.mjs' || (extension !== '.cjs' && isModulePackage(path.dirname(file)))) {
      return import(pathToFileURL(file).href);
    }
    return requireOrImport(file);
  }
  try {
    return require(require.resolve(name, { paths: [path.resolve(root, folder)] }));
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error;
    throw new Fault('Runtime.ImportModuleError', `Error: Cannot find module '${name}'\nRequire stack:\n- ${__filename}`);
  }
}

function requireOrImport(file) {
  try {
    return require(file);
  } catch (error) {
    // A module with top-level await can only be imported.
    if (error.code === 'ERR_REQUIRE_ESM' || error.code === 'ERR_REQUIRE_ASYNC_MODULE') return import(pathToFileURL(file).href);
    throw error;
  }
}

// Whether the nearest package.json at or above `folder` says "type": "module".
function isModulePackage(folder) {
  for (let at = folder; ; at = path.dirname(at)) {
    try {
      return JSON.parse(fs.readFileSync(path.join(at, 'package.json'), 'utf8')).type === 'module';
    } catch (error) {
      if (error.code !== 'ENOENT') return false;
    }
    if (at === path.dirname(at)) return false;
  }
}

async function loadHandler(setting) {
  const { folder, module: name, exported } = parseHandler(setting);
  let module;
  try {
    module = await loadModule(process.env.LAMBDA_TASK_ROOT, folder, name);
  } catch (error) {
    if (error instanceof SyntaxError) throw renamed('Runtime.UserCodeSyntaxError', error);
    if (error && (error.code === 'MODULE_NOT_FOUND' || error.code === 'ERR_MODULE_NOT_FOUND')) {
      throw renamed('Runtime.ImportModuleError', error);
    }
    throw error;
  }
  const find = (from) => exported.reduce((at, key) => (at === undefined || at === null ? undefined : at[key]), from);
  const handler = find(module) ?? find(module.default);
  if (handler === undefined) throw new Fault('Runtime.HandlerNotFound', `${setting} is undefined or not exported`);
  if (typeof handler === 'function' && (handler[STREAMING] ?? 'response') !== 'response') {
    throw new Fault('Runtime.MalformedStreamingHandler', 'Only response streaming is supported.');
  }
  if (typeof handler !== 'function') throw new Fault('Runtime.HandlerNotFound', `${setting} is not a function`);
  return handler;
}

function renamed(type, error) {
  const fault = new Fault(type, `${error.name}: ${error.message}`);
  fault.stack = `${type}: ${error.name}: ${error.message}\n${trace(error).join('\n')}`;
  return fault;
}

// One event under way. Its first answer counts.
class Invocation {
  constructor(header) {
    this.requestId = header.requestId;
    this.streamBytesMax = header.streamBytesMax;
    this.answered = false;
    this.waitsForEmptyEventLoop = true;
    this.held = null;
    this.context = this.makeContext(header);
  }

  makeContext(header) {
    const invocation = this;
    const env = process.env;
    const context = {
      awsRequestId: header.requestId,
      functionName: env.AWS_LAMBDA_FUNCTION_NAME,
      functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
      invokedFunctionArn: header.functionArn,
      memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
      logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
      logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
      clientContext: header.clientContext ? JSON.parse(header.clientContext) : undefined,
      identity: header.cognitoIdentity ? JSON.parse(header.cognitoIdentity) : undefined,
      getRemainingTimeInMillis: () => Math.max(header.deadlineMs - Date.now(), 0),
      done: (error, result) => this.callback(error, result),
      fail: (error) => this.callback(error ?? new Error('handled')),
      succeed: (result) => this.callback(null, result),
    };
    Object.defineProperty(context, 'callbackWaitsForEmptyEventLoop', {
      get: () => invocation.waitsForEmptyEventLoop,
      set: (value) => { invocation.waitsForEmptyEventLoop = Boolean(value); },
      enumerable: true,
    });
    return context;
  }

  // The callback style: the answer waits until nothing is left to do, if the handler wants so.
  callback(error, result) {
    if (this.held || this.answered) return;
    const finish = () => (error === undefined || error === null ? this.succeed(result) : this.fail(error));
    if (this.waitsForEmptyEventLoop && (error === undefined || error === null)) {
      this.held = finish;
    } else {
      finish();
    }
  }

  // Nothing is left to do: a held answer goes out; a handler that never answered gave null.
  loopIsEmpty() {
    if (this.held) this.held();
    else this.succeed(null);
  }

  succeed(result) {
    if (this.answered) return;
    let body;
    try {
      body = Buffer.from(JSON.stringify(result === undefined ? null : result) ?? 'null');
    } catch (error) {
      this.fail(new Fault('Runtime.MarshalError', `Unable to stringify response body: ${error.message}`));
      return;
    }
    this.end();
    const { requestId } = this;
    if (body.length > RESPONSE_BYTES_MAX) channel.send(ERROR, { requestId, errorType: 'Function.ResponseSizeTooLarge' });
    else channel.send(RESPONSE, { requestId }, body);
  }

  fail(error) {
    if (this.answered) return;
    const described = describe(error);
    logError('Invoke Error', error, described);
    this.end();
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

function invoke(header, body) {
  const invocation = new Invocation(header);
  current = invocation;
  // Only the function's own work keeps the event loop alive now.
  channel.socket.unref();
  if (header.traceId) process.env._X_AMZN_TRACE_ID = header.traceId;
  else delete process.env._X_AMZN_TRACE_ID;
  let event;
  try {
    event = JSON.parse(body.toString('utf8'));
  } catch (error) {
    invocation.fail(error);
    return;
  }
  run(invocation, event);
}

function run(invocation, event) {
  if (handler[STREAMING]) {
    require('./streaming.js').run(handler, event, invocation, channel);
    return;
  }
  let result;
  try {
    result = handler(event, invocation.context, (error, value) => invocation.callback(error, value));
  } catch (error) {
    invocation.fail(error);
    return;
  }
  if (result && typeof result.then === 'function') {
    result.then((value) => invocation.succeed(value), (error) => invocation.fail(error));
  }
}

// An error that nobody caught ends the process, after it was reported.
function die(title, error, described, status) {
  logError(title, error, described);
  const body = Buffer.from(JSON.stringify(described));
  if (!ready) {
    channel.sendLast(INIT_ERROR, { errorType: described.errorType }, body, status);
  } else if (current && !current.answered) {
    current.answered = true;
    channel.sendLast(ERROR, { requestId: current.requestId, errorType: described.errorType, fatal: true }, body, status);
  } else {
    process.reallyExit(status);
  }
}

// Becomes the runtime of the function that `process.env` describes, and serves it over `descriptor`.
function main(descriptor) {
  jsonLogs = process.env.AWS_LAMBDA_LOG_FORMAT === 'JSON';
  levelMin = Math.max(0, LEVELS.indexOf((process.env.AWS_LAMBDA_LOG_LEVEL || '').toUpperCase()));
  channel = new Channel(descriptor);
  delete process.env._KOBEL_CHANNEL;
  delete process.env.KOBEL_OPT;
  patchConsole();
  // Most functions never ask for it.
  Object.defineProperty(globalThis, 'awslambda', { configurable: true, get: () => require('./streaming.js').awslambda });
  process.on('uncaughtException', (error) => die('Uncaught Exception', error, describe(error), 129));
  process.on('unhandledRejection', rejected);
  process.on('beforeExit', () => {
    if (current && !current.answered) current.loopIsEmpty();
  });
  loadHandler(process.env._HANDLER).then(
    (loaded) => {
      handler = loaded;
      ready = true;
      channel.send(READY, {});
    },
    (error) => die('Uncaught Exception', error, describe(error), 1),
  );
}

function rejected(reason) {
  const message = reason instanceof Error ? `${reason.name}: ${reason.message}` : String(reason);
  const fault = new Fault('Runtime.UnhandledPromiseRejection', message);
  const described = { errorType: fault.name, errorMessage: message, reason: describe(reason), promise: {}, trace: trace(fault) };
  die('Unhandled Promise Rejection', fault, described, 128);
}

if (process.env._KOBEL_CHANNEL) main(Number(process.env._KOBEL_CHANNEL));
module.exports = { main, PREFIX_BYTES };
