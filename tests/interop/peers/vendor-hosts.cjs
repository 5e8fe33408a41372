// Every host name leads to one server on this machine: for libraries whose addresses are the vendor's own.
require('./loopback.cjs')
const net = require('node:net')
const port = Number(process.env.VENDOR_PORT)
const connect = net.Socket.prototype.connect
net.Socket.prototype.connect = function (...args) {
  const options = Array.isArray(args[0]) ? args[0][0] : args[0]
  if (options && typeof options === 'object' && [443, 9443].includes(Number(options.port))) options.port = port
  return connect.apply(this, args)
}
