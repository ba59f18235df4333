// Boots Node.js and Kobel's bootstrap ahead of any function, to be forked into sandboxes.
//
// The parent stays in `serve`; each child leaves it inside its sandbox, as an unprivileged process.
'use strict';

const path = require('path');

const { main, offerStreaming } = require('./bootstrap.js');
const { beTold, renewRandomness, makeProcessOwn } = require('./fork.js');
const sdk = require('./sdk.js');

const library = { exports: {} };
process.dlopen(library, path.join(__dirname, '..', 'stem', 'stem.so'));
const addon = library.exports;

if (process.argv[2] === 'sdk') {
  process.argv.splice(2);
  // The SDK looks for it when it is loaded.
  offerStreaming();
  sdk.load();
}
const descriptor = addon.serve(Number(process.env._KOBEL_STEM));
const { header, variables } = beTold(addon, descriptor);
for (const name of Object.keys(process.env)) delete process.env[name];
Object.assign(process.env, variables);
renewRandomness();
makeProcessOwn(addon);
main(descriptor, header.template ? require('./snapshot.js').template(addon, variables) : null);
