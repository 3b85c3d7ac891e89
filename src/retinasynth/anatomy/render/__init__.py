"""A fundus photograph of any label map, drawn by rule: light absorbed by pigment and blood, seen by a camera.

No model is trained and no photograph is used. What is drawn is what the planes say (vessels, disc, cup, fovea,
lesions); what they cannot tell (pigmentation, choroid, light, camera) is a `style.RenderingStyle` and noise. An unknown
plane is not drawn. Each module draws one thing and holds its colours; `photograph` puts them together, from the back to
the front: fundus, disc, hard exudates, vessels and bleeding, soft exudates, camera.

Absorption is counted in optical density, here the natural logarithm of the light that is lost, for red, green and blue:
densities of pigment and blood add up, as in the law of Beer and Lambert. (That the colour of the fundus is set by a few
absorbers, melanin, haemoglobin, macular pigment, before a bright sclera: Delori and Pflibsen, Applied Optics 28(6),
1989.) The figures were set by eye and by measurement beside photographs of CHASE_DB1, HRF and IDRiD; no physiology is
claimed.

Every length is in disc diameters (DD; 1 DD is about 1.8 mm), so that one eye at two resolutions is one photograph.
"""
