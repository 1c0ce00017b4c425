"""What happens to a working site when something around it breaks: `make faults`.

Each fault is a function with a row in the registry (`_registry`): it breaks one thing of a real site, says what it saw, and
raises `Wrong` where something that was accepted is lost, something is done twice, or a wait does not end in words. A new one is a
function with `@fault` in a module of `MODULES`."""
