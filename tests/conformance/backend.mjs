// backend.mjs -- The suite's own server, on the loopback address only.
//   node backend.mjs SUITE PORT PIDFILE
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const [suite, port, pidfile] = process.argv.slice(2)
const listen = net.Server.prototype.listen
net.Server.prototype.listen = function (where) { return listen.call(this, where, '127.0.0.1') }
process.env.npm_config_protocol = 'http'
process.env.npm_config_port = port
process.env.npm_config_pidfile = pidfile
const later = path.join(suite, 'test-engine/server/server.mjs')
const server = fs.existsSync(later) ? later : path.join(suite, 'server/server.mjs')
await import(pathToFileURL(server))
