// A broker that lets nobody in: it takes WebSockets and answers whatever comes with "bad user name or password".

import { createHash } from "node:crypto";
import { createServer } from "node:http";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** A binary frame with an MQTT 5 CONNACK of reason 0x86, and the frame that closes. */
const REFUSAL = Buffer.from([0x82, 5, 0x20, 3, 0, 0x86, 0, 0x88, 0]);

/** Gives its address and how to end it. */
export async function refusingBroker() {
  const sockets = new Set();
  const server = createServer();
  server.on("upgrade", (request, socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    const accept = createHash("sha1").update(`${request.headers["sec-websocket-key"]}${GUID}`).digest("base64");
    const heads = ["Upgrade: websocket", "Connection: Upgrade", `Sec-WebSocket-Accept: ${accept}`, "Sec-WebSocket-Protocol: mqtt"];
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${heads.join("\r\n")}\r\n\r\n`);
    socket.once("data", () => socket.write(REFUSAL));
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `ws://127.0.0.1:${server.address().port}`,
    end: () => {
      sockets.forEach((socket) => socket.destroy());
      server.close();
    },
  };
}
