// An OPC UA server on node-opcua whose variables change when told to.
//
//     node opcua_server.js PORT VARIABLES ROUNDS [history]
//
// Node ids in namespace 1: s=v0 .. (Double, in mm), s=state (String), s=Sent (UInt32), s=Final (Boolean).
// Says "ready" when clients can connect and "watched" when one subscribes to everything. Every "go" on standard input
// makes all variables change ROUNDS times, 10 ms of source time apart; "end" sets Final. Says "said N" after each.
"use strict";
const { OPCUAServer, Variant, DataType, StatusCodes, AccessLevelFlag, makeAccessLevelFlag } = require("node-opcua");

const [port, count, rounds] = process.argv.slice(2, 5).map(Number);
const history = process.argv[5] === "history";
const words = ["idle", "active", "stopped"];

async function main() {
  const server = new OPCUAServer({ port, hostname: "127.0.0.1", resourcePath: "/",
    serverCapabilities: { minSupportedSampleRate: 0 } }); // 0: it reports every change
  await server.initialize();
  const space = server.engine.addressSpace;
  const own = space.getOwnNamespace();
  const object = own.addObject({ organizedBy: space.rootFolder.objects, browseName: "peer" });
  const add = (name, dataType, extra = {}) => // minimumSamplingInterval 0: every change is reported, none is sampled away
    own.addVariable({ minimumSamplingInterval: 0, componentOf: object, browseName: name, nodeId: `s=${name}`, dataType, ...extra });
  const readable = makeAccessLevelFlag(history ? "CurrentRead | HistoryRead" : "CurrentRead");
  const values = [];
  for (let i = 0; i < count; i++) values.push(add(`v${i}`, "Double", { accessLevel: readable, userAccessLevel: readable }));
  const state = add("state", "String");
  const speed = add("speed", "Double", { accessLevel: "CurrentRead | CurrentWrite", userAccessLevel: "CurrentRead | CurrentWrite" });
  const sent = add("Sent", "UInt32");
  const final = add("Final", "Boolean");
  speed.setValueFromSource({ dataType: DataType.Double, value: 1.5 });
  if (history) values.forEach((v) => space.installHistoricalDataNode(v, { maxOnlineValues: 100000 }));

  let watched = 0;
  server.on("create_session", (session) =>
    session.on("new_subscription", (subscription) =>
      subscription.on("monitoredItem", () => {
        watched += 1;
        if (watched === count + 3) console.log("watched");
      })));
  await server.start();
  console.log("ready");

  let said = 0;
  let round = 0;
  const start = Date.UTC(2025, 0, 1);
  final.setValueFromSource({ dataType: DataType.Boolean, value: false });
  sent.setValueFromSource({ dataType: DataType.UInt32, value: 0 });
  async function go() {
    for (let i = 0; i < rounds; i++, round++) {
      const when = new Date(start + 10 * round);
      values.forEach((v, k) => {
        const status = (round + k) % 7 === 3 ? StatusCodes.UncertainLastUsableValue : StatusCodes.Good;
        v.setValueFromSource({ dataType: DataType.Double, value: round + k / 1000 }, status, when);
      });
      state.setValueFromSource({ dataType: DataType.String, value: words[round % 3] }, StatusCodes.Good, when);
      said += values.length + 1;
      sent.setValueFromSource({ dataType: DataType.UInt32, value: said });
      if (i % 10 === 9) await new Promise((done) => setTimeout(done, 5));
    }
    console.log(`said ${said}`);
  }
  const lines = require("readline").createInterface({ input: process.stdin });
  for await (const line of lines) {
    if (line === "go") await go();
    if (line === "end") final.setValueFromSource({ dataType: DataType.Boolean, value: true });
    if (line === "end") console.log(`said ${said}`);
  }
  await server.shutdown(100);
}

main().catch((error) => { console.error(error); process.exit(1); });
