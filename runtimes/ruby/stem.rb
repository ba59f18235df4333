# frozen_string_literal: true

# Boots Ruby and Kobel's bootstrap ahead of any function, to be forked into sandboxes.
#
# The parent stays in `serve`; each child leaves it inside its sandbox, as an unprivileged process. Nothing is loaded here
# that a runtime which was executed would not have loaded.

require_relative 'bootstrap'
require_relative '../stem/stem.so'

control = Integer(ENV.delete('_KOBEL_STEM'))
# Whatever lives now is old in the children, so that they do not copy its pages to look at it.
GC.start
channel = KobelStem.serve(control)
exit!(0) if channel.negative?
$PROGRAM_NAME = File.join(__dir__, 'bootstrap.rb')
Kobel.specialise(channel)
