// Finds the function that the handler setting names.
'use strict';

const fs = require('fs');
const path = require('path');
const { pathToFileURL } = require('url');

// How `awslambda.streamifyResponse` marks a handler.
const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
// The first major version of Node.js that Lambda lets run TypeScript.
const TYPESCRIPT_SINCE = 24;

// An error that AWS names in its own way.
class Fault extends Error {
  constructor(type, message) {
    super(message);
    // As on a prototype: the log shows members that can be enumerated.
    Object.defineProperty(this, 'name', { value: type });
    Error.captureStackTrace(this, Fault);
  }
}

// `FOLDER/MODULE.EXPORT.NESTED`
function parse(setting) {
  if (setting.includes('..')) {
    throw new Fault('Runtime.MalformedHandlerName', `'${setting}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  }
  const file = path.basename(setting);
  const match = /^([^.]*)\.(.*)$/.exec(file);
  if (!match) throw new Fault('Runtime.MalformedHandlerName', 'Bad handler');
  return { folder: setting.slice(0, setting.indexOf(file)), module: match[1], exported: match[2].split('.') };
}

// Whether the nearest package.json at or above `folder` says "type": "module".
function isModulePackage(folder) {
  for (let at = folder; !at.endsWith('/node_modules'); at = path.dirname(at)) {
    const file = path.join(at, 'package.json');
    if (fs.existsSync(file)) {
      try {
        return JSON.parse(fs.readFileSync(file, 'utf8')).type === 'module';
      } catch (error) {
        console.warn(`${file} cannot be read, it will be ignored for ES module detection purposes.`, error);
        return false;
      }
    }
    if (at === path.dirname(at)) return false;
  }
  return false;
}

// What a module may be called, in Lambda's order, and whether it is an ES module.
function candidates(base) {
  const modules = isModulePackage(path.dirname(base));
  const names = [['', false], ['.js', modules], ['.mjs', true], ['.cjs', false]];
  const typed = [['.ts', modules], ['.mts', true], ['.cts', false]];
  return Number.parseInt(process.versions.node, 10) >= TYPESCRIPT_SINCE ? [...names, ...typed] : names;
}

async function loadModule(root, folder, name) {
  const base = path.resolve(root, folder, name);
  for (const [extension, isModule] of candidates(base)) {
    const file = base + extension;
    if (!fs.existsSync(file)) continue;
    const loaded = isModule ? await import(pathToFileURL(file).href) : require(file);
    if (loaded) return loaded;
  }
  return require(require.resolve(name, { paths: [root, path.resolve(root, folder)] }));
}

// AWS's name before the original error and its stack.
function renamed(type, error) {
  const fault = new Fault(type, String(error));
  fault.stack = `${type}: ${fault.message}\n${error.stack}`;
  return fault;
}

async function load(root, setting) {
  const { folder, module: name, exported } = parse(setting);
  let loaded;
  try {
    loaded = await loadModule(root, folder, name);
  } catch (error) {
    if (error instanceof SyntaxError) throw renamed('Runtime.UserCodeSyntaxError', error);
    if (error?.code === 'MODULE_NOT_FOUND') throw renamed('Runtime.ImportModuleError', error);
    throw error;
  }
  const handler = exported.reduce((at, key) => at && at[key], loaded);
  if (!handler) throw new Fault('Runtime.HandlerNotFound', `${setting} is undefined or not exported`);
  if (typeof handler !== 'function') throw new Fault('Runtime.HandlerNotFound', `${setting} is not a function`);
  if (handler[STREAMING] && handler[STREAMING] !== 'response') {
    throw new Fault('Runtime.MalformedStreamingHandler', 'Only response streaming is supported.');
  }
  return handler;
}

module.exports = { load, Fault, STREAMING };
