// The viewer of scans: what it can do is in the folder beside this file.
export { preload, show } from "./viewer/main.js";
