// The viewer of scans: what it can do is in the folder beside this file.
import "./viewer/main.js";
