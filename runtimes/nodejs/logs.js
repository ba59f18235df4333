// The console and the errors, as Lambda's Node.js runtime writes them: one event a call.
'use strict';

const fs = require('fs');
const util = require('util');

// A line break inside a message that is one log event.
const MESSAGE_BREAK = '\x1e';
const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];
const METHODS = { trace: 'TRACE', debug: 'DEBUG', info: 'INFO', log: 'INFO', warn: 'WARN', error: 'ERROR', fatal: 'FATAL' };
// Where libraries for Lambda look for the id of the running invocation.
const REQUEST_ID = Symbol.for('aws.lambda.runtime.requestId');
const UNREADABLE =
  'callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack';

let isJson = false;

function setRequestId(id) {
  globalThis[REQUEST_ID] = id;
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

function write(level, message, ...values) {
  const time = new Date().toISOString();
  const requestId = globalThis[REQUEST_ID];
  if (isJson) writeEvent(jsonEntry({ timestamp: time, level, requestId }, message, values));
  else writeEvent(`${time}\t${requestId}\t${level}\t${util.format(message, ...values)}`);
}

// A value alone is the message as it is; several are formatted, and tell of the first error among them.
function jsonEntry(entry, message, values) {
  if (values.length === 0) {
    try {
      return JSON.stringify({ ...entry, message }, (_key, value) => (value instanceof Error ? errorMembers(value) : value));
    } catch {
      return JSON.stringify({ ...entry, message: util.format(message) });
    }
  }
  const error = [message, ...values].find((value) => value instanceof Error);
  const members = error ? nameAndStack(error) : {};
  return JSON.stringify({ ...entry, message: util.format(message, ...values), ...members });
}

function nameAndStack(error) {
  const stackTrace = typeof error.stack === 'string' ? error.stack.split('\n') : [];
  return { errorType: error.constructor?.name ?? 'UnknownError', errorMessage: error.message, stackTrace };
}

function errorMembers(error) {
  return { ...nameAndStack(error), ...error };
}

// Puts the console of Lambda in place of Node.js's.
function patchConsole(format, levelName) {
  isJson = (format || '').toUpperCase() === 'JSON';
  const least = Math.max(0, LEVELS.indexOf((levelName || '').toUpperCase()));
  for (const [method, level] of Object.entries(METHODS)) {
    const isHeard = LEVELS.indexOf(level) >= least;
    console[method] = isHeard ? (message, ...values) => write(level, message, ...values) : () => {};
  }
}

// The error object that the caller gets.
function describe(error) {
  try {
    const parts = [error?.name, error?.message, error?.stack];
    if (util.types.isNativeError(error) || parts.every((part) => part && typeof part === 'string')) {
      return { errorType: error.name, errorMessage: error.message, trace: error.stack.split('\n') };
    }
    return { errorType: typeof error, errorMessage: error.toString(), trace: [] };
  } catch {
    return { errorType: 'handled', errorMessage: UNREADABLE };
  }
}

// What the text log shows of an error: also the members that the code added to it, and to the errors in it.
function withMembers(_key, value) {
  if (!(value instanceof Error)) return value;
  const members = { errorType: value.name, errorMessage: value.message, code: value.code, ...value };
  return typeof value.stack === 'string' ? { ...members, stack: value.stack.split('\n') } : members;
}

function logError(title, thrown) {
  const error = thrown instanceof Error ? thrown : new Error(thrown);
  if (isJson) {
    console.error(error);
    return;
  }
  let text;
  try {
    text = JSON.stringify(error, withMembers);
  } catch {
    text = JSON.stringify(describe(error));
  }
  console.error(title, `\t${text}`);
}

module.exports = { setRequestId, patchConsole, describe, logError };
