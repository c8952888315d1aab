// An OPC UA server on node-opcua that plays a recording: in place of a machine of ours, with other people's code.
//
//     node opcua_player.js PORT FILE
//
// FILE: JSON lines. The first names the variables: {"signals": {"spindle.speed": "Double", "execution": "Int32"}}; every
// other is one moment: {"t": ms since 1970, "v": [value, null for a gap or "" for nothing, in the order of the names]}.
// Node ids in namespace 1: s=<signal>, s=Sent (UInt32), s=Final (Boolean). Says "ready" when clients can connect, plays
// once a client watches every node, keeps all of it as history, and says "played N" (changes) at the end.
"use strict";
const fs = require("fs");
const readline = require("readline");
const { OPCUAServer, DataType, StatusCodes } = require("node-opcua");

const [port, file] = [Number(process.argv[2]), process.argv[3]];
const ACCESS = { accessLevel: "CurrentRead | HistoryRead", userAccessLevel: "CurrentRead | HistoryRead" };

async function main() {
  const lines = readline.createInterface({ input: fs.createReadStream(file) })[Symbol.asyncIterator]();
  const signals = JSON.parse((await lines.next()).value).signals;
  const server = new OPCUAServer({ port, hostname: "127.0.0.1", resourcePath: "/",
    serverCapabilities: { minSupportedSampleRate: 0 } }); // 0: it reports every change
  await server.initialize();
  const space = server.engine.addressSpace;
  const own = space.getOwnNamespace();
  const object = own.addObject({ organizedBy: space.rootFolder.objects, browseName: "machine" });
  const add = (name, dataType, extra = {}) =>
    own.addVariable({ minimumSamplingInterval: 0, componentOf: object, browseName: name, nodeId: `s=${name}`, dataType, ...extra });
  const nodes = Object.entries(signals).map(([name, type]) => [add(name, type, ACCESS), DataType[type]]);
  nodes.forEach(([node]) => space.installHistoricalDataNode(node, { maxOnlineValues: 10000000 }));
  const sent = add("Sent", "UInt32");
  const final = add("Final", "Boolean");
  const count = (n) => sent.setValueFromSource({ dataType: DataType.UInt32, value: n });
  count(0);
  final.setValueFromSource({ dataType: DataType.Boolean, value: false });

  let watched = 0;
  const all = new Promise((done) => {
    server.on("create_session", (session) =>
      session.on("new_subscription", (subscription) =>
        subscription.on("monitoredItem", () => { watched += 1; if (watched === nodes.length + 2) done(); })));
  });
  await server.start();
  console.log("ready");
  await all;
  await new Promise((done) => setTimeout(done, 500)); // the items are made now, and live a moment later

  let said = 0;
  let moments = 0;
  for await (const line of { [Symbol.asyncIterator]: () => lines }) {
    const { t, v } = JSON.parse(line);
    const when = new Date(t);
    nodes.forEach(([node, dataType], i) => {
      if (v[i] === "") return;
      said += 1;
      if (v[i] === null) node.setValueFromSource({ dataType: DataType.Null }, StatusCodes.BadNoData, when);
      else node.setValueFromSource({ dataType, value: v[i] }, StatusCodes.Good, when);
    });
    moments += 1;
    if (moments % 20 === 0) { count(said); await new Promise((done) => setTimeout(done, 1)); }
  }
  count(said);
  final.setValueFromSource({ dataType: DataType.Boolean, value: true });
  console.log(`played ${said}`);
}

main().catch((error) => { console.error(error); process.exit(1); });
