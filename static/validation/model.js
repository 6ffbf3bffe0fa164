// The model in 3D. Triangles come from the server once for a revision (binary glTF, a node for each element); where there are none, boxes stand in.
// Everything is drawn in two meshes with a colour for each vertex: what has findings, solid, and the rest, see-through. 50,000 elements stay two draws.
import * as THREE from "./vendor/three/three.module.min.js";
import { OrbitControls } from "./vendor/three/OrbitControls.js";

const { el, make, config, SEVERITIES, api, ask, attempt, toast, live, select, watchers, follow, address, openPanel, words, later } = window.Codes;
const wanted = new URLSearchParams(location.search);
const stage = el("canvas");
const dark = () => document.documentElement.classList.contains("dark");
const swatch = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
// A colour variable of the theme as #rrggbb: the theme writes oklch(), which three.js does not read.
const css = (name) => {
  swatch.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name).trim() || "#888";
  swatch.fillRect(0, 0, 1, 1);
  return `#${[...swatch.getImageData(0, 0, 1, 1).data].slice(0, 3).map((value) => value.toString(16).padStart(2, "0")).join("")}`;
};

const renderer = new THREE.WebGLRenderer({ antialias: true, alpha: true, preserveDrawingBuffer: true });
renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
renderer.localClippingEnabled = true;
stage.append(renderer.domElement);
const scene = new THREE.Scene();
const camera = new THREE.PerspectiveCamera(45, 1, 0.1, 5000);
camera.up.set(0, 0, 1);
const controls = new OrbitControls(camera, renderer.domElement);
controls.enableDamping = true;
controls.dampingFactor = 0.12;
controls.screenSpacePanning = true;
controls.zoomToCursor = true;
scene.add(new THREE.HemisphereLight(0xffffff, 0xd3dae4, 2.9));
const sun = new THREE.DirectionalLight(0xffffff, 1.2);
sun.position.set(-0.5, -0.8, 1.4);
scene.add(sun);
const cutting = new THREE.Plane(new THREE.Vector3(0, 0, -1), 1e6);
const solid = new THREE.MeshLambertMaterial({ vertexColors: true, side: THREE.DoubleSide, clippingPlanes: [cutting] });
const ghost = new THREE.MeshLambertMaterial({ vertexColors: true, side: THREE.DoubleSide, transparent: true, opacity: 0.16, depthWrite: false, clippingPlanes: [cutting] });
// What fails shines through what stands before it.
const shine = new THREE.MeshBasicMaterial({ vertexColors: true, side: THREE.DoubleSide, transparent: true, opacity: 0.3, depthTest: false, depthWrite: false, clippingPlanes: [cutting] });
const edges = new THREE.LineBasicMaterial({ transparent: true, opacity: 0.32, clippingPlanes: [cutting] });
const glow = new THREE.MeshBasicMaterial({ transparent: true, opacity: 0.38, depthTest: false, side: THREE.DoubleSide, clippingPlanes: [cutting] });
const rim = new THREE.LineBasicMaterial({ depthTest: false });
const trail = new THREE.LineBasicMaterial({ depthTest: false, linewidth: 2 });
const held = new THREE.Group(), marked = new THREE.Group(), route = new THREE.Group(), theirs = new THREE.Group();
scene.add(held, marked, route, theirs);

let model = null, shapes = new Map(), pickable = [], chosen = "", others = new Map(), storey = wanted.get("storey") || "", only = false, unknown = false, dirty = true, bounds = new THREE.Box3(), center = new THREE.Vector3();

const paint = () => { dirty = true; };
controls.addEventListener("change", paint);
const loop = () => { requestAnimationFrame(loop); controls.update(); if (dirty) { dirty = false; renderer.render(scene, camera); } };
const resize = () => {
  const { clientWidth: width, clientHeight: height } = stage;
  if (!width || !height) return;
  renderer.setSize(width, height, false);
  camera.aspect = width / height;
  camera.updateProjectionMatrix();
  paint();
};
new ResizeObserver(resize).observe(stage);

const CORNERS = [0, 1, 2, 0, 2, 3, 4, 6, 5, 4, 7, 6, 0, 4, 5, 0, 5, 1, 1, 5, 6, 1, 6, 2, 2, 6, 7, 2, 7, 3, 3, 7, 4, 3, 4, 0];
const boxShape = ([ax, ay, az, bx, by, bz]) => ({
  points: new Float32Array([ax, ay, az, bx, ay, az, bx, by, az, ax, by, az, ax, ay, bz, bx, ay, bz, bx, by, bz, ax, by, bz].map((value, index) => value - center.getComponent(index % 3))),
  faces: CORNERS,
});

// The part of glTF that the server writes: a binary chunk, and nodes whose name is the GlobalId.
const readMeshes = (data) => {
  const view = new DataView(data);
  if (view.getUint32(0, true) !== 0x46546c67) throw new Error("not glTF");
  const length = view.getUint32(12, true);
  const tree = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 20, length)));
  const start = 20 + length + 8, found = new Map();
  const [ox, oy, oz] = (tree.nodes[0].extras && tree.nodes[0].extras.origin) || [0, 0, 0];
  const array = (index) => {
    const one = tree.accessors[index], at = start + (tree.bufferViews[one.bufferView].byteOffset || 0) + (one.byteOffset || 0);
    if (one.componentType === 5126) return new Float32Array(data.slice(at, at + one.count * 12));
    return one.componentType === 5123 ? new Uint16Array(data, at, one.count) : new Uint32Array(data.slice(at, at + one.count * 4));
  };
  for (const node of tree.nodes) {
    if (node.mesh === undefined) continue;
    for (const part of tree.meshes[node.mesh].primitives) {
      const points = array(part.attributes.POSITION);
      for (let at = 0; at < points.length; at += 3) { points[at] += ox - center.x; points[at + 1] += oy - center.y; points[at + 2] += oz - center.z; }
      found.set(node.name, { points, faces: array(part.indices) });
    }
  }
  return found;
};

// The colour of an element: the worst severity of what fails; "unknown" when it could only not be judged, and that is wanted.
const severity = (gid) => { const found = model.findings[gid]; return !found ? "" : found[3] === "fail" ? found[0] : unknown ? "unknown" : ""; };
const HIDDEN = new Set(["IfcSpace", "IfcOpeningElement", "IfcAnnotation", "IfcGrid", "IfcVirtualElement"]);  // drawn only when they have findings
const shown = (one) => (!storey || one.storey === storey) && (!HIDDEN.has(one.kind) || severity(one.gid)) && (!only || severity(one.gid));

// All shapes of some elements as one geometry; `of` tells which triangle is whose.
const joined = (elements, colour) => {
  let points = 0, faces = 0;
  for (const one of elements) { points += one.shape.points.length; faces += one.shape.faces.length; }
  const position = new Float32Array(points), tint = new Float32Array(points), index = new Uint32Array(faces), of = [];
  let at = 0, face = 0;
  for (const one of elements) {
    const base = at / 3, { r, g, b } = colour(one);
    position.set(one.shape.points, at);
    for (let step = at; step < at + one.shape.points.length; step += 3) { tint[step] = r; tint[step + 1] = g; tint[step + 2] = b; }
    for (let step = 0; step < one.shape.faces.length; step += 1) index[face + step] = one.shape.faces[step] + base;
    at += one.shape.points.length;
    face += one.shape.faces.length;
    of.push([face / 3, one]);
  }
  const geometry = new THREE.BufferGeometry();
  geometry.setAttribute("position", new THREE.BufferAttribute(position, 3));
  geometry.setAttribute("color", new THREE.BufferAttribute(tint, 3));
  geometry.setIndex(new THREE.BufferAttribute(index, 1));
  geometry.computeVertexNormals();
  return { geometry: geometry.toNonIndexed(), of };
};
const whose = (of, face) => { let low = 0, high = of.length - 1; while (low < high) { const middle = (low + high) >> 1; if (of[middle][0] <= face) low = middle + 1; else high = middle; } return of[low][1]; };

const KIND_COLOURS = { IfcSlab: "#94a3b8", IfcRoof: "#a8a29e", IfcWall: "#cbd5e1", IfcWallStandardCase: "#cbd5e1", IfcWindow: "#7dd3fc", IfcDoor: "#d6b88a", IfcStair: "#a5b4fc", IfcStairFlight: "#a5b4fc", IfcColumn: "#94a3b8", IfcBeam: "#94a3b8", IfcRailing: "#94a3b8" };
const empty = (group) => { for (const child of [...group.children]) { group.remove(child); child.geometry.dispose(); } };

const build = () => {
  empty(held);
  pickable = [];
  const there = model.elements.filter((one) => one.shape && shown(one));
  const colours = Object.fromEntries([...SEVERITIES, "unknown"].map((name) => [name, new THREE.Color(css(`--sev-${name}`))]));
  const rest = new THREE.Color(dark() ? "#94a3b8" : "#7c8a9e"), kinds = Object.fromEntries(Object.entries(KIND_COLOURS).map(([name, value]) => [name, new THREE.Color(value)]));
  const bad = there.filter((one) => severity(one.gid)), good = there.filter((one) => !severity(one.gid));
  // A stair is drawn by its flights; the box that stands for the whole of it must not hide them.
  const hollow = (one) => one.kind === "IfcSpace" || (!model.boxes && !shapes.has(one.gid));
  const rooms = bad.filter(hollow), hard = bad.filter((one) => !hollow(one));
  for (const [elements, material, colour, order] of [[hard, solid, (one) => colours[severity(one.gid)], 1], [good, ghost, (one) => kinds[one.kind] || rest, 2], [rooms, ghost, (one) => colours[severity(one.gid)], 3]]) {
    if (!elements.length) continue;
    const { geometry, of } = joined(elements, colour);
    geometry.computeVertexNormals();
    const mesh = new THREE.Mesh(geometry, material);
    mesh.renderOrder = order;
    mesh.userData.of = of;
    held.add(mesh);
    pickable.push(mesh);
    if (elements === hard) { const through = new THREE.Mesh(geometry, shine); through.renderOrder = 5; held.add(through); }
    if (geometry.attributes.position.count < 900000) {
      const lines = new THREE.LineSegments(new THREE.EdgesGeometry(geometry, 30), edges);
      lines.renderOrder = order;
      held.add(lines);
    }
  }
  ghost.opacity = dark() ? 0.09 : 0.15;
  edges.color.set(dark() ? "#94a3b8" : "#475569");
  glow.color.set(css("--color-primary-500"));
  rim.color.set(css("--color-primary-500"));
  trail.color.set(css("--sev-info"));
  legend(there.length, bad.length);
  mark();
  paint();
};

const legend = (count, bad) => {
  const there = new Set(Object.keys(model.findings).map(severity));
  const parts = [...SEVERITIES, "unknown"].filter((name) => there.has(name)).map((name) => make("span", `vc-dot ${name}`, name === "unknown" ? "Not evaluable" : words(name)));
  parts.push(make("span", "vc-key rest", "no finding"), make("span", "vc-n", `${count.toLocaleString("en")} elements, ${bad.toLocaleString("en")} with findings${model.boxes ? " · boxes stand in for shapes" : ""}`));
  el("legend").replaceChildren(...parts);
};

const outline = (one, material, group, fill) => {
  const geometry = new THREE.BufferGeometry();
  geometry.setAttribute("position", new THREE.BufferAttribute(one.shape.points, 3));
  geometry.setIndex([...one.shape.faces]);
  if (fill) { const mesh = new THREE.Mesh(geometry, fill); mesh.renderOrder = 8; group.add(mesh); }
  const lines = new THREE.LineSegments(new THREE.EdgesGeometry(geometry, 25), material);
  lines.renderOrder = 9;
  group.add(lines);
};
const mark = () => {
  empty(marked);
  const one = model.byId.get(chosen);
  if (one && one.shape) outline(one, rim, marked, glow);
  stage.dataset.chosen = chosen;
  paint();
};

const extent = (elements) => {
  const box = new THREE.Box3();
  for (const one of elements) if (one.box) { box.expandByPoint(new THREE.Vector3(one.box[0], one.box[1], one.box[2]).sub(center)); box.expandByPoint(new THREE.Vector3(one.box[3], one.box[4], one.box[5]).sub(center)); }
  return box;
};
const lookAt = (box, from = new THREE.Vector3(-0.75, -1.15, 0.85), closer = 1) => {
  if (box.isEmpty()) return;
  const middle = box.getCenter(new THREE.Vector3()), radius = Math.max(box.getSize(new THREE.Vector3()).length() / 2, 0.8);
  const distance = (radius / Math.sin((camera.fov * Math.PI) / 360)) * Math.max(1, 0.9 / camera.aspect) * closer;
  camera.position.copy(middle).addScaledVector(from.clone().normalize(), distance);
  camera.near = distance / 200;
  camera.far = distance * 40 + 500;
  camera.updateProjectionMatrix();
  controls.target.copy(middle);
  controls.update();
  paint();
};
const fit = () => lookAt(extent(model.elements.filter(shown)), undefined, 0.74);
const near = (gid) => { const one = model.byId.get(gid); if (one && one.box) { const box = extent([one]); box.expandByScalar(Math.max(2.2, box.getSize(new THREE.Vector3()).length() * 0.9)); lookAt(box); } };

const cut = () => {
  const box = bounds, share = el("cut").value / 1000, full = share >= 0.999;
  const low = storey ? extent(model.elements.filter((one) => one.storey === storey)) : box;
  const height = low.min.z + (low.max.z - low.min.z) * share;
  cutting.constant = full ? 1e6 : height;
  el("cut-at").textContent = full ? "" : `${(height + center.z).toFixed(1)} m`;
  paint();
};

const ray = new THREE.Raycaster();
const under = (event) => {
  const box = renderer.domElement.getBoundingClientRect();
  ray.setFromCamera(new THREE.Vector2(((event.clientX - box.left) / box.width) * 2 - 1, -((event.clientY - box.top) / box.height) * 2 + 1), camera);
  const hits = ray.intersectObjects(pickable, false).filter((hit) => hit.point.z <= cutting.constant + 1e-6).map((hit) => whose(hit.object.userData.of, hit.faceIndex));
  return hits.find((one) => severity(one.gid) && one.kind !== "IfcSpace") || hits.find((one) => severity(one.gid)) || hits[0] || null;
};
let pressed = null;
renderer.domElement.addEventListener("pointerdown", (event) => { pressed = [event.clientX, event.clientY]; el("tip").hidden = true; });
renderer.domElement.addEventListener("pointerup", (event) => {
  if (!pressed || Math.hypot(event.clientX - pressed[0], event.clientY - pressed[1]) > 5) return;
  const one = under(event);
  choose(one ? one.gid : "");
});
renderer.domElement.addEventListener("pointermove", later((event) => {
  if (!model || event.buttons) return;
  const one = under(event), tip = el("tip");
  tip.hidden = !one;
  renderer.domElement.style.cursor = one ? "pointer" : "grab";
  if (!one) return;
  const found = model.findings[one.gid], box = stage.getBoundingClientRect();
  tip.replaceChildren(make("b", "", one.name || one.gid), make("small", "", `${one.kind.replace(/^Ifc/, "")}${found ? ` · ${found[1]} finding${found[1] === 1 ? "" : "s"}` : ""}`));
  tip.style.left = `${Math.min(event.clientX - box.left + 14, box.width - 190)}px`;
  tip.style.top = `${event.clientY - box.top + 14}px`;
}, 40));

const remember = (finding) => {
  const query = new URLSearchParams();
  if (storey) query.set("storey", storey);
  if (finding) query.set("finding", finding);
  history.replaceState(null, "", `${location.pathname}${query.size ? `?${query}` : ""}`);
};

const choose = async (gid, finding = "") => {
  chosen = gid;
  mark();
  select(gid ? [gid] : []);
  empty(route);
  paint();
  if (!gid) { el("drawer").hidden = true; el("view").dataset.drawer = "closed"; remember(""); return; }
  const list = await attempt(() => api("GET", `findings?subject=${encodeURIComponent(gid)}&limit=50`));
  if (!list || chosen !== gid) return;
  el("drawer").hidden = false;
  el("view").dataset.drawer = "open";
  const one = model.byId.get(gid);
  if (!list.results.length) {
    el("others").replaceChildren();
    el("drawer-page").hidden = true;
    const box = make("div", "vc-finding");
    box.append(make("h2", "", (one && one.name) || gid), make("p", "mcp-faint", `${one ? one.kind.replace(/^Ifc/, "") : ""} · nothing is found here.`), make("code", "mcp-mono", gid));
    el("panel").replaceChildren(box);
    remember("");
    return;
  }
  const first = list.results.find((row) => row.id === finding) || list.results[0];
  el("others").replaceChildren(...(list.results.length > 1 ? list.results.map((row, index) => {
    const button = make("button", `vc-other ${row.severity}`, String(index + 1));
    button.type = "button";
    button.title = row.message;
    button.setAttribute("aria-pressed", String(row.id === first.id));
    button.addEventListener("click", () => choose(gid, row.id));
    return button;
  }) : []));
  el("drawer-page").hidden = false;
  el("drawer-page").href = address(config.finding, first.id);
  remember(first.id);
  await attempt(() => openPanel(first.id, el("panel")));
  const told = await api("GET", `findings/${first.id}`).catch(() => null);
  if (told && chosen === gid) drawRoute(told.geometry);
};

const drawRoute = (geometry) => {
  empty(route);
  const paths = [geometry.path, ...(geometry.paths || [])].filter((path) => Array.isArray(path) && path.length > 1);
  for (const path of paths) {
    const points = path.map(([x, y, z]) => new THREE.Vector3(x, y, (z ?? 0) + 0.15).sub(center));
    const line = new THREE.Line(new THREE.BufferGeometry().setFromPoints(points), trail);
    line.renderOrder = 7;
    route.add(line);
    const tube = new THREE.Mesh(new THREE.TubeGeometry(new THREE.CatmullRomCurve3(points, false, "catmullrom", 0), Math.min(600, points.length * 12), 0.06, 6), new THREE.MeshBasicMaterial({ color: trail.color, depthTest: false, transparent: true, opacity: 0.85 }));
    tube.renderOrder = 7;
    route.add(tube);
  }
  paint();
};

// What others have selected, in their plugins or browsers.
watchers.add((present) => {
  if (!model) return;
  empty(theirs);
  const seen = new THREE.LineBasicMaterial({ color: css("--sev-ok"), depthTest: false });
  for (const gid of new Set(present.flatMap((one) => one.selection || []))) { const one = model.byId.get(gid); if (one && one.shape) outline(one, seen, theirs, null); }
  paint();
});

const place = (told) => {
  const kinds = told.classes;
  model = { ...told, boxes: true, elements: told.elements.map(([gid, kind, name, level, box]) => ({ gid, kind: kinds[kind], name, storey: level < 0 ? "" : told.storeys[level].id, box })) };
  model.byId = new Map(model.elements.map((one) => [one.gid, one]));
  const all = new THREE.Box3();
  for (const one of model.elements) { all.expandByPoint(new THREE.Vector3(one.box[0], one.box[1], one.box[2])); all.expandByPoint(new THREE.Vector3(one.box[3], one.box[4], one.box[5])); }
  if (!all.isEmpty()) all.getCenter(center);
  for (const one of model.elements) one.shape = shapes.get(one.gid) || boxShape(one.box);
  bounds = extent(model.elements);
};

const pickStorey = el("storey");
const drawStoreys = () => {
  pickStorey.replaceChildren(new Option("All storeys", ""), ...[...model.storeys].reverse().map((one) => new Option(one.name, one.id)));
  pickStorey.value = model.storeys.some((one) => one.id === storey) ? storey : "";
  storey = pickStorey.value;
};

const readShapes = async (tries = 0) => {
  const answer = await ask("GET", `${config.api}/meshes`, undefined, { Accept: "model/gltf-binary, application/json" });
  if (answer.status === 202) {
    const { status } = await answer.json();
    if (status === "failed" || tries > 300) return;
    el("legend").dataset.making = "yes";
    await new Promise((done) => setTimeout(done, 2000));
    await readShapes(tries + 1);
    return;
  }
  shapes = readMeshes(await answer.arrayBuffer());
  await mend();
  for (const one of model.elements) if (shapes.has(one.gid)) one.shape = shapes.get(one.gid);
  model.boxes = false;
  build();
};
// What was changed live since the revision is drawn as a box until the next upload.
const mend = async () => {
  const since = await api("GET", "meshes/live").catch(() => null);
  if (!since) return;
  for (const gid of since.gone) shapes.delete(gid);
  for (const one of since.boxes) shapes.set(one.global_id, boxShape(one.box));
};

const renew = async () => {
  const found = await api("GET", "violations");
  if (found.seq !== model.seq) {
    const kept = model.boxes;
    place(await api("GET", "scene"));
    await mend();
    for (const one of model.elements) if (!kept && shapes.has(one.gid)) one.shape = shapes.get(one.gid);
    model.boxes = kept;
    drawStoreys();
  } else model.findings = found.findings;
  build();
  if (chosen && !el("panel").contains(document.activeElement)) choose(chosen, (el("panel").querySelector("[data-finding]") || { dataset: {} }).dataset.finding);
};

const over = (text) => { el("over").hidden = !text; el("over-text").textContent = text || ""; };

attempt(async () => {
  resize();
  loop();
  const summary = await api("GET", "summary");
  follow(summary.work, () => location.reload());
  live(summary.stream, () => { if (model) attempt(renew); });
  place(await api("GET", "scene"));
  if (!model.elements.length) { over("There is no model yet, or nothing in it has a place."); return; }
  drawStoreys();
  over("");
  build();
  fit();
  document.body.dataset.model = "ready";
  const finding = wanted.get("finding");
  if (finding) {
    const told = await api("GET", `findings/${finding}`).catch(() => null);
    if (told && told.outcome !== "fail") showUnknown(true);
    if (told) { near(told.subject); choose(told.subject, finding); }
  }
  await readShapes().catch((fault) => { if (fault.status !== 404) toast(`No shapes: ${fault.message}`, "bad"); });
});

pickStorey.addEventListener("change", () => { storey = pickStorey.value; el("cut").value = 1000; cut(); build(); fit(); remember(""); });
el("cut").addEventListener("input", cut);
el("fit").addEventListener("click", fit);
el("top-view").addEventListener("click", () => lookAt(extent(model.elements.filter(shown)), new THREE.Vector3(0, -0.001, 1), 0.8));
el("only").addEventListener("click", () => { only = !only; el("only").setAttribute("aria-pressed", String(only)); build(); });
const showUnknown = (on) => { unknown = on; el("unknown").setAttribute("aria-pressed", String(on)); build(); };
el("unknown").addEventListener("click", () => showUnknown(!unknown));
el("drawer-close").addEventListener("click", () => choose(""));
document.addEventListener("codes:changed", () => attempt(renew));
document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, textarea, select") || event.ctrlKey || event.metaKey || document.querySelector("dialog[open]")) return;
  const deed = { f: fit, t: () => el("top-view").click(), v: () => el("only").click(), Escape: () => choose("") }[event.key];
  if (deed && model) deed();
});
new MutationObserver(() => { if (model) build(); }).observe(document.documentElement, { attributeFilter: ["class"] });
