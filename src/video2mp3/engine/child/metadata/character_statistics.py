"""How often letters occur in languages whose tags are often not UTF-8. Used by `text_encoding`.

Counted in the names of countries, languages, scripts, currencies, months and time zones of Unicode CLDR 48
(Unicode License v3), and in about fifty words more for each language.
"""

LATIN = {
    "cp1252": {
        "de": (
            "ä54:l_prmnsbdwfhgtj:nircgtuhlmqd ü54:st_rlkfmwbjznd:drsbchßnkmgl ö58:rzkh_lnmjv:nsrfglhßwe "
            "ß69:iuaüöo:_eri é75:mhrlp:_mulia í77:slnrav:lvn_ko ó84:cil:rn_ á84:ltubm:_nrp ã86:s:o ú91:ciy:nu "
            "å95:m_:l ï95:a:r"
        ),
        "fr": (
            "é37:_tmrndlphgibcvzswuay:_trelsngocdmaqpbkvzi è56:mirlhvpcdutyn:rtnsqvgcmdz î58:_ahrtod:l_tn "
            "ï58:aoeu:_dtrasnmqbwlgcev ç67:nae_r:aou ê68:rmi_fntbhu:tvmn â70:ph_rébgan:tqgmlyhn ô70:ctrhdnv_:tl_n "
            "à71:_clj:_dcs û72:osmdrlg:trl_ œ78:_csvn:ui ë81:ao:ln ó82:icln:nr_o á82:ltubm:_pnr ü82:_rbnp:srmk "
            "ù88:o:_"
        ),
        "es": (
            "á45:t_mldrysniwubkf:nrfi_sutgpdc í50:lrntducsp_fahvo:_anmfsrtqxovglc "
            "é50:dnmlcupribts_fhak:s_rinxltcap ó54:dlictmpzrsngbjk:nlmrstbp ú59:cp_rtmhldbgskaiezj:_nblsatr "
            "ñ59:eai_u:oai ü78:gbp_r:eisíkrm"
        ),
        "pt": (
            "á40:r_ltpbdnmiuvc:r_slfbgvptd ã44:rtsmçlpihjndg:o_ í54:rlstacu_gnxodm:nvcmlsfpagbç_tord "
            "ê55:ndmucltrvf:sn_ é55:mnptsrlbhd_gaoi:_srtlmcdxuavqi ó58:dcetbrsinvgl:lrs_vptgndbf "
            "ç61:anroíuie:aãoõú ú63:cbl_rhpmieçtn:bnlcsrtmd â65:ltgzbdumrcs:nm ô68:ldtnvmrc:mn_ õ77:çlr:e "
            "ü85:_rb:rms à87:_:_s"
        ),
        "it": (
            "à66:tril:_ é69:hmnslpr:_mralt ù76:rit:_ ì77:dsl:_ í78:rlnahv:nv_ako è60:_oft:_ ó83:icl:nr_ "
            "á83:ltubm:_nrp ü83:_rbp:rmsk ò83:ru:_ å94:_m:l ã94:s:o"
        ),
        "sv": (
            "ä52:vlm_jkrnfhtd:nsrtlp ö53:_rksfnhlutedaj:asnrg_dvbpt å58:_rpbmslfghtnd:_rgskndlt "
            "é70:mrhlkypa:_mulxsrai ó80:ciln:nr_ á80:lutbm:_pnri ü80:_rbznp:rsmk í81:rlahn:nvao_ ç85:oa:a "
            "ã87:sg:o_ ú94:ci:n"
        ),
        "nb": (
            "ø50:s_rknehltudfjm:yrsndl å62:r_pshmnfgdb:r_kspdnlt æ69:jv_fgetr:rls_ é76:mrhlp:_mural "
            "á82:ltubm:_pnr ü82:_rbzn:rsm í85:rahv:nako ó85:icl:nr_ ã90:s:o ú94:ci:n ç94:an:a"
        ),
        "da": (
            "ø53:_rsnkethldujm:esndljrib æ60:pmr_fkngevjl:irnslktbf å63:_psrhmnfgb:r_dsbln é74:mhrlp:_mlxau "
            "ü80:_rbzn:rsm á82:ltubm:_nrp ó86:icl:nr_ í89:ra:no ã89:s:o"
        ),
        "fi": (
            "ä45:sltjnpväim_:a_niäskjlrtv š61:ta_iuk:aieukotgn_ ö63:kriyt_mö:_ntkljmböpäs ž67:d:iap_u "
            "é74:mrhlyp:_nmuxral í78:rlhav:nva_ko ó81:cilm:nr_c ü81:_rbznp:rsmk á82:ltubm:_pnr ã86:s:o ú91:cit:n_ "
            "å95:hm:bl ñ95:e_:oe"
        ),
        "is": (
            "í29:t_rlsnkambgdvphfxj:m_sanklutrbgdve ó41:rkldjtsgmb_paneíhiv:_lnmsrpvaktbgþðh "
            "ú41:rktb_sljnpdgmefa:rnts_almgbkpdvex ð44:aiuræfóöá:au_ivhlbmef á46:_mlhjtsprnbaz:_srlnbgkíþðetd "
            "æ55:vrbpnslf_kdh:nðt_jrsm ö57:rvthjkmfbpdnl:nlfmrtkgðds ý63:nþlskd:sjrnfðpóga "
            "þ65:_óeáraítg:ýeíjyóúar é68:trmspn_lh:rkg_musatíl"
        ),
        "nl": (
            "ë59:iaeo:_lnr ï70:aeou:rtnseva é71:mrhfc_élp:_muénral ü78:_rebnpz:rsmnk ö83:rotk:erbl ó83:cil:rn_ "
            "á83:ltubm:_nrp í85:ahlnr:nav_o î90:kn_:_l ç94:an:a å94:m_:l è94:p:r"
        ),
    },
    "cp1250": {
        "pl": (
            "ń47:aioeuy:s_c ł50:oó_sauwzpityd:ouangy_ktdwmćóąz ś57:_eoęaw:rcwnlćpń_ ż57:dą_uyóoaeę:aiy_ekuóęodpn "
            "ó58:prgżinkjłcd:łwrdżtjn_ ę63:iwjtzżndgb:c_tzśgćżd ą67:liskłmbjt:żd_tskpcg ć69:_śręła:_wkm "
            "ź72:da_u:_dńrlna é81:mhrlp:_mul á84:ltubm:_nrp í85:sar:lno"
        ),
        "cs": (
            "ý38:kvtn:_c š39:nrj_tldambiukázgížvoeyéh:ts_eaivpkťáu č40:_iemoúavunár:ateníikuáo "
            "á40:kntzrbvmldhpužjs_egšč:_nlprdmtškzsjbvhg í41:nčrlpmřzvtsžd_h:_nlsrjkšvhcab "
            "é46:kvnmdtzrflph:_nsršlmhzduv ž55:di_lnaeuůíýěá:inaášsíe_ldpü ě57:nvmtbd:lmrk_tsvnjzcž "
            "ř61:t_obpahá:eíián ú65:_shlajrctdgbky:dčntz_smvržu ů67:vdrkcmptn:_vjňžlm ó68:rkciglhznš:nrd_sztošw "
            "ň72:ae_ůio:_aosd ť77:šu_:o_ua"
        ),
        "sk": (
            "č35:_njrlmtdibgoúahvkeup:aitíen ý37:knvt:_c á40:knrlztvmubdp_ehjg:_nrlptzdmšcgvbs "
            "š46:_azueináoéyžrl:tsiavp_keťnomóc é48:knvmrdtzplbhg:_nzrhšlmcčdux "
            "í51:rlzčtmnp_vžfdaš:nl_rvckbjzsdžm ó54:rklditngcpš:nprtzdbw_ ž55:dun_ayleýí:inaseí_dšupčá "
            "ú60:c_jľklsmtnrig:zčntsomlbr ľ68:eo_kdáaub:_askúojšu ň71:e_iaô:_ao ť72:šsaeur_:a_ro ä76:v:t"
        ),
        "hu": (
            "á37:ytlrzmnvsg_ebdpkjhi:rnlgzdmtkjsvb é40:t_mndzvsrhkplgb:lspgtnzrkm_vdj ő41:dst_rfzv:_zksi "
            "ó47:z_rktgdilasnbmhc:_npcirlstkmfezvdb ö51:krtf_zlgbyj:zlrnbkpgmevs í52:drklzt_smgavp:nrv_ltbzkoc "
            "ú59:_rjhptac:jzpsrtn_dm ü60:_rthzsfmkjbl:lrvzskgam ű69:rhy_tfmb:s_rznv"
        ),
        "ro": (
            "ă36:nrzcltbpdsţmvh:_rtţ ţ56:ariuye_năopl:iăkae ş58:_auinerc:ita_ăkogm â64:mcfkgspvtr:nrizm "
            "î74:_t:n_r é75:mhrlp:_mlau ü81:_rbzn:rsm á82:ltubm:_nrp í84:ral:nov ó84:icl:nr_"
        ),
        "hr": (
            "č38:š_ioanemu:iakneuj š42:jni_raeolmudtvbg:čkeaipvt_nu ž56:du_oilra:nialeu_ ć74:ieuo_ša:a_iuen "
            "é80:mrhlp:_mauxl đ80:a_rnoi:aeoi á84:ltubm:_nrp"
        ),
    },
    "cp1254": {
        "tr": (
            "ı39:srtkglğşm_ynzdçhv:_rzslkmnğşvy ç47:_tkaipneçşsumülobhı:aei_çoırüy "
            "ü49:gktldsy_bcçrm:nrk_bpmdçscztlş ş53:_eaiıuünryol:_iaeıktçmou ğ57:oaıöie:uı_liaoem "
            "ö63:_rbgkst:nzlyğdibrs é77:mrlyph:_mxau á83:ltubm:_nrp İ60:_:sbnzrlkçm"
        )
    },
    "cp1257": {
        "lt": (
            "ų37:intrlkjbdsgzmvh:_ ė46:nrmlpdvtjbksgž:s_jndtl ž49:_duelarąg:iaeuoy_snėv "
            "š51:_aikeyuron:iatvkueo_ųmyr č53:e_iamsunypo:iaueoų_ ū64:cjpbdrgtk_žnam:zrnksdgtč ą78:s_dn:s_žj "
            "į84:_tn:l_"
        ),
        "lv": (
            "ā39:rtmlknvdipgesbžz_jhu:nrl_tņfdbcmszvgļ š48:e_iaukrņgnoī:uaioevķ_ktsdrgl "
            "ī48:rtnķlzspd_žmčkcvbug:nbrl_vztcdgkņmpe ē51:vpnmtg_rjkazuflbdhž:rlnzģd_tjķkmņvļc "
            "ņ55:iā_aoeēīzudjļ:uaeūšiķējps ž56:dl_āuo:iauāoīēūbe ū58:jrņlpmžnčgtaiek:rdtnpsfklmbiv "
            "č58:_aimnueāītl:aieuīoū ļ60:eaāg_iēoub:uaidģkrsojņemāfl ķ64:_šēearņoi:īieuat ģ72:ēeļ_:iu"
        ),
    },
}
"""For each encoding its languages, and for each of their letters beside a to z three parts: its form with its cost
(ten times the negative natural logarithm of its share of all letters), the usual letters before it, and those after it.
`_` is the border of a word."""

ALPHABETS = {
    "cp1251": "оаеинтсрвлкмдпуяыьгзбчйхжшюцщэфъіїєёґјљњћђџўѓќѕ",
    "koi8_u": "оаеинтсрвлкмдпуяыьгзбчйхжшюцщэфъёіїєґ",
    "cp866": "оаеинтсрвлкмдпуяыьгзбчйхжшюцщэфъёїєў",
    "cp1253": "αοιετσνηρπκμυλςίόάγδέήώχύθφβξζψϊϋΐΰ",
    "cp1255": "יוהלאתמברשנדעקפסגחםטזכצןףךץ",
    "cp1256": "اليمنوتربعدسهفحكقجةشصطخضىأذزثءغظإئآؤپچژگک",
    "cp874": "านรกอเงมยลวดตท่สคบปะิ้หัีแพจช็ไใโขซุูถผธึภฟำศษฐณญ์ฉฝฎฏฆฮๆ",
}
"""Letters of an encoding's script, from the most frequent one on."""

SIMPLIFIED = (
    "语时间亚尔克斯拉文里西利马加阿巴特尼多岛比法纳标准大中夏令地国布罗兰和部瓦卡那德美他格得的塔第方朋一不科塞情忘忆恋以"
    "来吻泪缘南萨桥河声唱舞醉个库人维可酒乡是上达了在有子我这吉也们米会道为到说古新要就出你下年其哥对生能而发于行都本后所"
    "着自之鲁群日用过索面卢种家作英分然学当事成北伊小经么去东埃天开现如定同没元乌坦内公动起看还力姆安体意因主进好些样十理"
    "心她基欧前但圣只从想实奥字林提明无知点军者非诺民度长它与高什波把机月三工伯列洛迪此勒洲托哈已使海郎伦普制关摩性全门外"
    "又正金果希平印立业将两苏威曼重由问太朗牙莫很最并丹政夫二向帕代物手应战位皮见图头桑澳雷兹圭土合瑞相区及路被努班节恩隆"
    "蒙等产或世爱别先森奇几泰查瓜根表老己身色信雅福洋回丁弗书茨梅千莱耳廷话沙贝镑博保赫顿士堡期教属俄拿州拜蒂星次化给币司"
    "山切戈菲扎汤陵求通港量音形纽约墨玻韦原黑毛毫白韩任常京麦单资光名像升各治捷喀活富领秒杜儿万象叙荷佛穆木符伏厘脱绍凯疆"
    "真台打黎密留肯沃济式变望界香共数齐号五寸佩八品六豪杰市厄斐四昂边夸女权孟葡萄劳律让智记计电直秘员解水七干指九社兆李思"
    "今冈凤城刚盾告统尤申华兑换彼温典周坎甸察委务霍未杨气乐丽芬缅空花宾风传术青黄论处乔挪速角耶盎湾盖仑腊叶赛坡胡磅堪浦复"
    "夷玛贾宽瑙艾尺甘撒锡朱联津越鄂走义入口认条系题更神总何少报才结反受目再感建做"
)
TRADITIONAL = (
    "文時間亞克拉斯爾西馬里加利巴阿島尼特地多法中那標夏準蘭令國比羅瓦納布大卡部公他達和維方德來朋河情忘憶戀不南群以可吻淚"
    "緣一人第格橋的酒聲唱舞醉鄉上科是美會個了在有子庫薩哥得我這索們塔為道到說然也要就出下古自你年語都分其對生能而用東本於"
    "行發小著之過後家作裡英吉安種日所當事成開體魯如學面經麼去字塞新諾天同現沒力與埃定動起看因烏還伊明理進好基心內些主樣盧"
    "威意她洲列米洛前但托北三聖只從想實歐民十及知無軍者奧什波它海高非伯點長把機月林平元性此由莫已工使郎曼哈瑞關全倫門姆制"
    "度普摩外又正提印業將兩太朗位蘇手問雷勒紐夫很最重並丹政杜坦茲果希物應戰金皮次治立向頭沙幣路合土二相見世澳牙根查或被區"
    "迪帕耳披蒙圭等產愛森赫代福瓜隆先話幾貝己身丁堡雅洋回圖士屬別色鎊班信教廷萬表保弗升化白港單頓尺千喬書台艾恩玻山星期每"
    "毫老給荷光梅奇拿原通約州韓賽喀菲蒂活變陵麥拜計司量秒蓋灣符泰桑數墨奈扎富辛名節撒音任常俄品捷華黎市留象形木角百沃兒尤"
    "共底脫各真萊斐戈密肯京義葉界伏像耶寸干侖盾換挪紹博溫厄臘敘系四切言邊女號律瑟黑甘打芬讓濟瑪直賓處覺鳳員解水香佛速齊社"
    "目佩李模八思剛告住努轉錫傑彼穆史帝胡坎甸尚夜揚孟汶五六智望記場楊歌氣指權麗秘卻空領式風今少豪鄂雪電青曲黃論松遜盎凱城"
    "康旺坡柏昂夷陽欽委伐復氏未貨札朱磅緬葡汗走入口認條題更神總何報才結反受再感建"
)
KANJI = (
    "語時間文字国部中標準夏島東地日月方米大本人年民長十一行連政出二合新自社分三同事見議発後前生金上代立五定対市四内者党業"
    "相高力明回今手場開員九入選通学体平円問表子実京言目関決動北氏全西領不現戦経外諸最主当理調化首和田八六用法約題下期度的"
    "意治気来作性小要制成務強山七話南統公野協取区世加都以記家機総思受数多県続進共改女正安設保基院教界権初午書結指心点支第"
    "産英原百派先報済府名古活川際重得解交資予向元査勝面委告軍毎海反近州央別千考判認洋量位台道画参売半利組知案音太水韓信策"
    "集特光朝物引在件団秒風曜球疑側任神官式声革単無香港湾有転土真広木町石住容編電使求所次銀兌換仏品昨論計死増係感情投示変"
    "打男私各始直両価確村提運終挙果勢減必応演争談能再置企流格口過局少放税検藤常校料沢裁状工建営空職証与急止送援供可役構割"
    "聞身費付施切由説食難防補車優夫研収断井何足違番術護歌愛恋夢桜花雪星雨楽曲涙君春秋冬夜旅章域貨液低極形衆邦勘会号華質鮮"
    "陽母柱漢岳μ象陸混速階級典径尺昭注里似碑簡線繁赤旧聖刻周辺楔及族義草圏融丈効紀仮勺厘離呉蒸底種継承天客寸帝壌才摂斗梵"
    "欧歩圧泊湘岸湿満洲滴火畝翌節絵熱複視詩贛週閩非項馬鯨"
)
HANGUL = (
    "어시아리스라이르자나트준마로간바문니크하표도부가비카타지계미고드사제인다에그우세루일오기보모와프국노서주랑수티대레터"
    "소유코동디과남구한파만브토페키은조중탄는안의신전를메상을호화정들장해원금말쿠방연실당공게베생무적여요있네란으피람산음"
    "경관년월영성저학래단길악친투내집울강민날별없런봄늘너빛꿈야눈물러데애처럼좋녕린진환밤번것같때새달랜까포천벽째테알박선"
    "현재순김최희웨위명용석목철옥럽즈케츠치뉴편슬블차예볼킬체운질양칼섬누히엘버푸북팔콜두태곱앙벨통갈탈헤슈클온칸골몰링헨"
    "령밀랍폴롱후몬발콩독본식반롬튀글덴몽빌멘평불센칠캄핀살언샤엔멕초램톤턴흐룩룬잔콰필얀량분할캐잠론더렘암슨셈틀난셸솔커"
    "켈냐홍감회덜퍽쇼샨렛푼쿼올류형얄맥셔역줄빈존싱옴짐갤헝릴곤왈광펀느릭뒤완콘맨멜폰"
)
"""The frequent characters of Chinese in China and in Taiwan, of Japanese and of Korean; the most frequent one first."""
