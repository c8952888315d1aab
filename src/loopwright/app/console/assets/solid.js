// Shows a solid (GLB or STL) under soft studio light; it turns slowly until somebody takes hold of it.
export async function show(el) {
  const { THREE, GLTFLoader, STLLoader, OrbitControls } = await import(el.dataset.three);
  const url = el.dataset.solid, dark = matchMedia("(prefers-color-scheme: dark)");
  const mesh = /\.stl($|\?)/i.test(url) ? new THREE.Mesh(await new STLLoader().loadAsync(url)) : (await new GLTFLoader().loadAsync(url)).scene;
  const metal = new THREE.MeshPhysicalMaterial({ color: 0xb9bec2, metalness: 0.92, roughness: 0.34, clearcoat: 0.35, clearcoatRoughness: 0.4, side: THREE.DoubleSide });
  mesh.traverse((part) => {
    if (!part.isMesh) return;
    part.material = metal;
    part.castShadow = part.receiveShadow = true;
    if (!part.geometry.attributes.normal) part.geometry.computeVertexNormals();
  });

  const scene = new THREE.Scene(), box = new THREE.Box3().setFromObject(mesh), size = box.getSize(new THREE.Vector3()).length() || 1;
  mesh.position.sub(box.getCenter(new THREE.Vector3()));
  const stand = new THREE.Group();
  stand.add(mesh);
  if (el.dataset.up === "z") stand.rotation.x = -Math.PI / 2;
  scene.add(stand);
  scene.environment = studio(THREE, el);
  const lamp = (strength, x, y, z) => {
    const light = new THREE.DirectionalLight(0xffffff, strength);
    light.position.set(x, y, z).multiplyScalar(size);
    scene.add(light);
    return light;
  };
  lamp(1.6, 1.2, 1.8, 1.4); lamp(0.7, -1.6, 0.6, 0.8); lamp(0.9, -0.3, 0.8, -1.8);

  const renderer = new THREE.WebGLRenderer({ antialias: true, alpha: true });
  renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
  renderer.toneMapping = THREE.ACESFilmicToneMapping;
  renderer.toneMappingExposure = dark.matches ? 0.95 : 1.12;
  const camera = new THREE.PerspectiveCamera(28, 4 / 3, size / 100, size * 20);
  camera.position.set(0.75, 0.42, 1.9).normalize().multiplyScalar(size * 1.82);
  const controls = new OrbitControls(camera, renderer.domElement);
  Object.assign(controls, { enableDamping: true, enablePan: false, enableZoom: false, autoRotateSpeed: 1.1 });
  controls.autoRotate = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  controls.addEventListener("start", () => { controls.autoRotate = false; });
  el.querySelector(".word")?.remove();
  el.append(renderer.domElement);

  const fit = () => { const { clientWidth: w, clientHeight: h } = el; renderer.setSize(w, h, false); camera.aspect = w / Math.max(1, h); camera.updateProjectionMatrix(); };
  new ResizeObserver(fit).observe(el);
  fit();
  // Turns by itself only where drawing is quick; elsewhere a picture is drawn when somebody turns it.
  let seen = true, moved = true, frames = 0, spent = 0;
  controls.addEventListener("change", () => { moved = true; });
  new ResizeObserver(() => { moved = true; }).observe(el);
  new IntersectionObserver(([entry]) => { seen = entry.isIntersecting; }).observe(el);
  const draw = () => {
    const began = performance.now();
    renderer.render(scene, camera);
    renderer.getContext().finish();
    spent += performance.now() - began;
    if (++frames === 8 && spent / frames > 30) controls.autoRotate = false;
  };
  const frame = () => {
    if (!el.isConnected) { renderer.dispose(); return; }
    if (seen) {
      controls.update();
      if (moved) { moved = false; draw(); }
    }
    requestAnimationFrame(frame);
  };
  frame();
}

// A plain studio as surroundings, so that metal has something to mirror: a bright ceiling, a softbox, a dim floor.
function studio(THREE) {
  const canvas = Object.assign(document.createElement("canvas"), { width: 512, height: 256 }), pen = canvas.getContext("2d");
  const sky = pen.createLinearGradient(0, 0, 0, 256);
  for (const [at, colour] of [[0, "#ffffff"], [0.38, "#d9dcdd"], [0.5, "#8d9496"], [0.62, "#767e81"], [1, "#4a5154"]]) sky.addColorStop(at, colour);
  pen.fillStyle = sky; pen.fillRect(0, 0, 512, 256);
  pen.fillStyle = "#ffffff"; pen.filter = "blur(7px)";
  for (const [x, y, w, h] of [[50, 40, 90, 70], [300, 30, 60, 95], [430, 60, 40, 60]]) pen.fillRect(x, y, w, h);
  const map = new THREE.CanvasTexture(canvas);
  map.mapping = THREE.EquirectangularReflectionMapping;
  map.colorSpace = THREE.SRGBColorSpace;
  return map;
}
