// An OPC UA client on node-opcua that reads one variable's whole history, its present value and its properties.
//
//     node opcua_client.js URL NAMESPACE VARIABLE
//
// Prints one JSON document: {"values": [[ms since 1970, 100 ns of it, value, status], ..], "present": .., "unit": .., "changes": n}.
// "changes" counts what a subscription brings until the variable Final of that namespace is true.
"use strict";
const { OPCUAClient, AttributeIds, TimestampsToReturn, HistoryReadRequest, ReadRawModifiedDetails } = require("node-opcua");

const [url, namespace, name] = process.argv.slice(2);

async function main() {
  const client = OPCUAClient.create({ endpointMustExist: false, connectionStrategy: { maxRetry: 1 } });
  await client.connect(url);
  const session = await client.createSession();
  const spaces = await session.readNamespaceArray();
  const index = spaces.indexOf(namespace);
  const nodeId = `ns=${index};s=${name}`;

  let changes = 0;
  const subscription = await session.createSubscription2({ requestedPublishingInterval: 50, requestedMaxKeepAliveCount: 10,
    requestedLifetimeCount: 1000, publishingEnabled: true });
  const item = await subscription.monitor({ nodeId, attributeId: AttributeIds.Value },
    { samplingInterval: 0, queueSize: 10000, discardOldest: true }, TimestampsToReturn.Both);
  item.on("changed", () => { changes += 1; });
  console.error("watching");
  for (;;) {
    const final = await session.read({ nodeId: `ns=${index};s=Final`, attributeId: AttributeIds.Value });
    if (final.value.value) break;
    await new Promise((done) => setTimeout(done, 50));
  }
  await new Promise((done) => setTimeout(done, 300));

  const values = [];
  let continuationPoint = null;
  do {
    const answer = await session.historyRead(new HistoryReadRequest({
      historyReadDetails: new ReadRawModifiedDetails({ isReadModified: false, startTime: new Date(Date.UTC(2000, 0, 1)),
        endTime: new Date(Date.UTC(2100, 0, 1)), numValuesPerNode: 70, returnBounds: false }),
      nodesToRead: [{ nodeId, continuationPoint }],
      releaseContinuationPoints: false,
      timestampsToReturn: TimestampsToReturn.Both,
    }));
    const result = answer.results[0];
    continuationPoint = result.continuationPoint && result.continuationPoint.length ? result.continuationPoint : null;
    for (const v of result.historyData.dataValues || []) {
      values.push([v.sourceTimestamp.getTime(), v.sourcePicoseconds, v.value ? v.value.value : null, v.statusCode.value]);
    }
  } while (continuationPoint);
  const present = await session.read({ nodeId, attributeId: AttributeIds.Value });
  const unit = await session.read({ nodeId: `${nodeId}.EngineeringUnits`, attributeId: AttributeIds.Value });
  console.log(JSON.stringify({ values, present: present.value.value, unit: unit.value.value.displayName.text, changes }));
  await subscription.terminate();
  await session.close();
  await client.disconnect();
}

main().catch((error) => { console.error(error); process.exit(1); });
